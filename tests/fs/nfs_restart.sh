#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The controller with a real NFS server that is stopped, killed and started again under load: requests wait,
# nothing is lost, nothing exits. Arguments: doca_virtiofs, vfsload, nfs-server. Exit 77: cannot run here.
set -u

controller=$1
vfsload=$2
nfs_server=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/softdpu-nfs-restart.XXXXXX")
sock=$work/fs.sock
STATE=
pid=
failed=0

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
	local name=$1

	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok - $name"
	else
		echo "not ok - $name"
		cat "$work/out" "$work/log"
		failed=1
	fi
}

serve()
{
	"$controller" -s 127.0.0.1 -e "$EXPORT" -o "nfsport=$NFS_PORT,mountport=$MNT_PORT" \
		--socket-path "$sock" -q 2 >>"$work/log" 2>&1 &
	pid=$!
	for _ in $(seq 200); do
		[ -S "$sock" ] && return
		sleep 0.05
	done
}

# outage PATTERN COMMAND...: the command breaks and mends the server while the pattern runs.
outage()
{
	local pattern=$1 load rc

	shift
	"$vfsload" --socket "$sock" --pattern "$pattern" --queues 2 --depth 8 --file-size 4m \
		--runtime 3 --verify >"$work/load" 2>&1 &
	load=$!
	sleep 1.2
	"$@" || return 1
	wait "$load"
	rc=$?
	cat "$work/load"
	# A server killed between making a file and noting the verifier of the exclusive CREATE does not know
	# its own file again; no client can tell. Calls under way then: 16.
	if [ "$rc" != 0 ] && [ "$pattern" = create-unlink ]; then
		grep -qE 'errors: ([1-9]|1[0-6]), first: CREATE: File exists' "$work/load" && rc=0
	fi
	return "$rc"
}

freeze()
{
	kill -STOP "$PID"
	sleep 1
	kill -CONT "$PID"
}

restart()
{
	"$nfs_server" crash "$STATE"
	sleep 0.5
	eval "$("$nfs_server" revive "$STATE")"
}

# Ends in time and with 0, though requests wait for a server that does not come back.
end_without_server()
{
	local load start rc

	"$vfsload" --socket "$sock" --pattern rw --depth 8 --file-size 4m --runtime 30 \
		>/dev/null 2>&1 &
	load=$!
	sleep 1.5
	"$nfs_server" crash "$STATE"
	sleep 0.5
	start=$SECONDS
	kill -TERM "$pid"
	wait "$pid"
	rc=$?
	pid=
	kill -KILL "$load" 2>/dev/null
	wait "$load" 2>/dev/null
	echo "exit status $rc after $((SECONDS - start)) s"
	[ "$rc" = 0 ] && [ $((SECONDS - start)) -le 8 ]
}

[ "$(id -u)" = 0 ] || skip "needs root"
command -v ganesha.nfsd >/dev/null || skip "nfs-ganesha is not installed"
mkdir "$work/export"
eval "$("$nfs_server" start "$work/export")"
[ -n "$STATE" ] || skip "nfs-ganesha does not start here"

serve
head -c 3000001 /dev/urandom >"$work/data"
check "a file is written" "$vfsload" put --socket "$sock" kept <"$work/data"
check "frozen server: reads and writes go on after it" outage rw freeze
check "restarted server: reads and writes go on after it" outage rw restart
check "restarted server: names are made and removed" outage create-unlink restart
check "restarted server: directories are listed" outage readdirplus restart
check "the controller still runs" kill -0 "$pid"
"$vfsload" cat --socket "$sock" kept >"$work/back"
check "the file has its bytes" cmp "$work/data" "$work/back"
check "SIGTERM ends it while the server is dead" end_without_server
exit $failed
