#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# deps.sh build|demo|test...: installs what that needs on Debian 12, and does nothing quickly when all
# of it is there. `demo` and `test` include `build`.
set -eu

build="gcc libc6-dev make meson ninja-build pkg-config liburing-dev libjson-c-dev libseccomp-dev"
guest="qemu-system-x86 busybox-static cpio pciutils"
nfs="nfs-ganesha nfs-ganesha-vfs"
# g++: the public headers must compile as C++; clang: second compiler, fuzzers, coverage of both.
checks="g++ clang libclang-rt-14-dev libcmocka-dev jq mandoc python3 strace"
# libnfs-dev: for comparing with it, scripts/bench-nfs and scripts/fetch-fio.
# btrfs-progs: a server with a quota; nfs-common: its rpc.statd; nfs-kernel-server: for a guest that is one.
programs="fio stress-ng attr acl libnfs-utils libnfs-dev user-mode-linux btrfs-progs nfs-common nfs-kernel-server"

want=
for what; do
	case $what in
	build) want="$want $build" ;;
	demo) want="$want $build $guest" ;;
	nfs) want="$want $nfs" ;;
	test) want="$want $build $guest $nfs $checks $programs" ;;
	*)
		echo "usage: deps.sh build|demo|nfs|test..." >&2
		exit 2
		;;
	esac
done

missing=
for p in $want; do
	dpkg-query -W -f '${Status}\n' "$p" 2>/dev/null | grep -q 'install ok installed' ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "deps.sh: run as root: apt-get install$missing" >&2; exit 1; }
	as_root=sudo
fi

# The NFS servers and rpcbind come with services; the tests start servers of their own and want none.
policy=/usr/sbin/policy-rc.d
made_policy=
restore()
{
	[ -z "$made_policy" ] || $as_root rm -f "$policy"
}
trap restore EXIT
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
	made_policy=1
fi

echo "installing:$missing" >&2
install()
{
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 \
		install -y --no-install-recommends $missing >/dev/null
}
install || { $as_root apt-get -qq update && install; }
case " $missing " in
*" nfs-ganesha "* | *" nfs-kernel-server "*)
	# Not at the next boot either.
	if [ -d /run/systemd/system ]; then
		$as_root systemctl disable -q nfs-ganesha.service nfs-server.service rpcbind.service \
			rpcbind.socket || :
	fi
	;;
esac
