#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The controller with a real NFS server (nfs-ganesha) that fails in every way it can while a verifying load runs
# through the whole data path: no request may fail, no byte may be lost. Arguments: doca_virtiofs, vfsload,
# nfs-server, test_nfs_threads_wb. Exit 77: cannot run here. From the environment, for a long run:
#
#   KILLS=50     times the server is killed and started again (3)
#   SILENCE=120  seconds it is stopped, and seconds the network is gone (4)
set -u

controller=$1
vfsload=$2
nfs_server=$3
threads_wb=$4
kills=${KILLS:-3}
silence=${SILENCE:-4}
STATE=
pid=
failed=0

# In a network namespace of its own, whose only link can be taken down.
if [ -z "${OUTAGES_NETNS:-}" ]; then
	OUTAGES_NETNS=no
	if unshare -n true 2>/dev/null; then
		exec env OUTAGES_NETNS=yes unshare -n "$0" "$@"
	fi
fi
# An address that is none of a loopback: without one the C library finds no addresses at all.
[ "$OUTAGES_NETNS" = no ] || { ip link set lo up && ip addr add 192.0.2.1/32 dev lo; }

work=$(mktemp -d "${TMPDIR:-/tmp}/softdpu-outages.XXXXXX")
sock=$work/fs.sock

cleanup()
{
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	[ -z "$STATE" ] || "$nfs_server" stop "$STATE"
	rm -rf "$work"
}
trap cleanup EXIT

skip()
{
	echo "SKIP: $*"
	exit 77
}

# check NAME COMMAND...
check()
{
	local name=$1 start=$SECONDS

	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok - $name ($((SECONDS - start)) s)"
	else
		echo "not ok - $name"
		tail -n 40 "$work/out" "$work/log"
		failed=1
	fi
}

serve()
{
	"$controller" -s 127.0.0.1 -e "$EXPORT" -o "nfsport=$NFS_PORT,mountport=$MNT_PORT,$1" \
		--state-dir "$work" --socket-path "$sock" -q 2 >>"$work/log" 2>&1 &
	pid=$!
	for _ in $(seq 400); do
		[ -S "$sock" ] && return
		sleep 0.05
	done
	return 1
}

end_serve()
{
	kill -TERM "$pid"
	wait "$pid"
	local rc=$?

	pid=
	return "$rc"
}

# under_load COMMAND...: while it runs, 16 requests at a time read and write stamped blocks; then again once more
# after it, when all of them are read back.
under_load()
{
	local load rc

	"$vfsload" --socket "$sock" --pattern rw --queues 2 --depth 8 --bs 16k --file-size 4m --runtime 36000 \
		--verify --events >"$work/load" 2>&1 &
	load=$!
	# Its files first: it does not wait for ever for those.
	for _ in $(seq 200); do
		[ "$(find "$EXPORT" -type f -size 4096k | wc -l)" -ge 2 ] && break
		sleep 0.1
	done
	sleep 1
	"$@"
	rc=$?
	sleep 1
	kill -0 "$load" || rc=1
	kill -INT "$load"
	wait "$load"
	echo "load: exit status $?"
	cat "$work/load"
	grep -qE 'errors: [1-9]|wrong' "$work/load" && rc=1
	return "$rc"
}

# Up for long enough to be found again: a client that is refused waits for up to 3 s. The load does not wait
# for more than 10 s.
kill_often()
{
	local i

	for ((i = 0; i < kills; i++)); do
		"$nfs_server" crash "$STATE"
		sleep "0.$((RANDOM % 10))"
		eval "$("$nfs_server" revive "$STATE")" || return 1
		sleep "3.$((RANDOM % 10))"
	done
}

freeze()
{
	kill -STOP "$PID"
	sleep "$silence"
	kill -CONT "$PID"
}

cut()
{
	ip link set lo down
	sleep "$silence"
	ip link set lo up
}

# under_fsync SECONDS COMMAND...: three threads of the file system alone, which wait for as long as it takes; what
# each fsync said is looked at in the server's directory.
under_fsync()
{
	local load rc

	"$threads_wb" "$RANDOM" "$1" "nfsport=$NFS_PORT,mountport=$MNT_PORT,timeo=20" "$EXPORT" \
		>"$work/wb" 2>&1 &
	load=$!
	shift
	sleep 1
	"$@"
	wait "$load"
	rc=$?
	cat "$work/wb"
	return "$rc"
}

[ "$(id -u)" = 0 ] || skip "needs root"
command -v ganesha.nfsd >/dev/null || skip "nfs-ganesha is not installed"
mkdir "$work/export"
eval "$("$nfs_server" start "$work/export")"
[ -n "$STATE" ] || skip "nfs-ganesha does not start here"

serve timeo=20
check "server killed $kills times under load" under_load kill_often
check "server killed $kills times under fsync" under_fsync $((kills * 5)) kill_often
check "server stopped for $silence s" under_fsync $((silence + 5)) freeze
if [ "$OUTAGES_NETNS" = yes ]; then
	check "network gone for $silence s" under_fsync $((silence + 5)) cut
else
	echo "skip - network gone: no namespace to be had"
fi
check "the controller ends with 0" end_serve
exit $failed
