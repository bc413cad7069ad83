#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A server as administrators run it: nfs-ganesha with its lock manager, registered with rpcbind, and a status
# monitor, in a network and mount namespace of their own, over IPv4 and IPv6. Arguments: nfs_probe, nfs_lock_probe.
# Exit 77: cannot run here.
set -u

probe=$1
lock_probe=$(realpath "$2") # it is run in another mount namespace, whose directory is the root

skip()
{
	echo "SKIP: $*"
	exit 77
}

if [ "${3:-}" != inside ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	for tool in ganesha.nfsd rpcbind rpcinfo rpc.statd unshare ip; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	unshare -n -m true 2>/dev/null || skip "no namespaces here"
	exec unshare -n -m "$0" "$probe" "$lock_probe" inside
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/softdpu-nfs-rpcbind.XXXXXX")
pids=

cleanup()
{
	for pid in $pids; do
		kill -KILL "$pid"
		wait "$pid"
	done 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

# wait_for PROGRAM VERSION: until the port mapper knows it.
wait_for()
{
	for _ in $(seq 300); do
		rpcinfo -p 127.0.0.1 2>/dev/null | grep -q "^ *$1 *$2 *tcp" && return 0
		sleep 0.1
	done
	return 1
}

# Their sockets and state are not this machine's.
mount -t tmpfs none /run && mount -t tmpfs none /var/lib/nfs || skip "no private /run"
mkdir -p /run/rpcbind /run/ganesha /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/ganesha
ip link set lo up || skip "no private network"
# A name or address is looked up only on a machine that has one.
ip link add d0 type dummy 2>/dev/null && ip addr add 192.0.2.1/24 dev d0 && ip link set d0 up

mkdir "$work/export" "$work/state"
cat >"$work/ganesha.conf" <<-EOC
NFS_CORE_PARAM {
	Protocols = 3; Enable_NLM = true; Enable_RQUOTA = false; Enable_UDP = False;
	mount_path_pseudo = false; NSM_Use_Caller_Name = false;
}
NFSv4 { Graceless = true; RecoveryBackend = fs; RecoveryRoot = $work/state; }
EXPORT {
	Export_Id = 1; Path = $work/export; Pseudo = /export; Access_Type = RW;
	Squash = No_Root_Squash; SecType = sys; Protocols = 3; Transports = TCP; FSAL { Name = VFS; }
}
EOC

rpcbind -f >"$work/rpcbind" 2>&1 &
pids="$pids $!"
wait_for 100000 2 || skip "rpcbind does not start here: $(tail -n 1 "$work/rpcbind")"
rpc.statd -F >"$work/statd" 2>&1 &
pids="$pids $!"
wait_for 100024 1 || skip "rpc.statd does not start here: $(tail -n 1 "$work/statd")"
ganesha.nfsd -F -f "$work/ganesha.conf" -L "$work/log" -p "$work/pid" -N NIV_EVENT </dev/null >"$work/out" 2>&1 &
pids="$pids $!"
wait_for 100021 4 || skip "nfs-ganesha does not start here: $(tail -n 1 "$work/log")"

failed=0
for server in 127.0.0.1 ::1 localhost; do
	if timeout 100 "$probe" "$server" "$work/export"; then
		echo "ok - $server"
	else
		echo "not ok - $server"
		failed=1
	fi
done
# The server calls back: its clients are another machine, with a port mapper of its own, and no status monitor.
unshare -n -m sleep 300 &
client=$!
pids="$pids $client"
for _ in $(seq 100); do
	[ "$(readlink /proc/$client/ns/net)" != "$(readlink /proc/self/ns/net)" ] && break
	sleep 0.1
done
if ! ip link add s0 type veth peer name c0 netns $client 2>/dev/null; then
	echo "SKIP: no virtual cable: calling back is not tested"
	exit $failed
fi
ip addr add 198.51.100.1/24 dev s0 && ip -6 addr add 2001:db8::1/64 dev s0 nodad && ip link set s0 up
cat >"$work/client" <<-'EOC'
	mount -t tmpfs none /run && mkdir /run/rpcbind && ip link set lo up
	ip addr add 198.51.100.2/24 dev c0 && ip -6 addr add 2001:db8::2/64 dev c0 nodad && ip link set c0 up
	exec rpcbind -f
EOC
nsenter -t $client -n -m sh "$work/client" >"$work/client-rpcbind" 2>&1 &
pids="$pids $!"
for _ in $(seq 100); do
	nsenter -t $client -n -m rpcinfo -p 198.51.100.2 >/dev/null 2>&1 && break
	sleep 0.1
done
# Over IPv6 nfs-ganesha 4 asks for the port of netid "tcp" and finds none: then clients have to ask again.
for server in 198.51.100.1 "2001:db8::1 mute"; do
	set -- $server
	if timeout 100 nsenter -t $client -n -m "$lock_probe" "$1" "$work/export" ${2:-}; then
		echo "ok - $server: waiting"
	else
		echo "not ok - $server: waiting"
		grep -E "NLM|rpcb" "$work/log" | tail -n 20
		failed=1
	fi
done
exit $failed
