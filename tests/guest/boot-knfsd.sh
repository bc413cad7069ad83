# SPDX-License-Identifier: BSD-3-Clause
# A machine whose kernel serves NFSv3 from its disk, until the host says "over". TESTS: what it runs itself first.

C=/mnt/control
M=/disk # in the place of the device

# The programs of the host's root, with this machine's name, files and state.
prepare()
{
	local m f

	for m in $SERVER_MODULES; do
		insmod /bin/$m.ko || return 1
	done
	hostname filer
	ip link set lo up && ip addr add 192.0.2.1/24 dev eth0 && ip link set eth0 up || return 1
	mkdir -p $C $M /mnt/host
	mount -t virtiofs control $C && mount -t ext4 /dev/vda $M && enter_host_root || return 1
	# The root has a /tmp of its own, and these may be below the machine's.
	mkdir -p /root/run/build /root/run/here /root/run/rpcbind
	mount -t virtiofs -o ro hostroot /mnt/host && mount -o bind "/mnt/host$BUILD" /root/run/build &&
		mount -o bind "/mnt/host$HERE" /root/run/here || return 1
	mount -o bind $M/tmp /root/tmp && mount -o bind $M/state /root/var/lib/nfs || return 1
	# WHEN: sync, which is the default, or async, which spares this machine some work.
	echo "/run/dpu/export 192.0.2.0/24(rw,$WHEN,no_root_squash,no_subtree_check)" >$M/etc/exports
	echo "/run/dpu/squashed 192.0.2.0/24(rw,$WHEN,root_squash,no_subtree_check)" >>$M/etc/exports
	for f in hosts resolv.conf exports; do
		mount -o bind $M/etc/$f /root/etc/$f || return 1
	done
}

# waiting_for SECONDS COMMAND...
waiting_for()
{
	local i=$(($1 * 5))

	shift
	until "$@" >/dev/null 2>&1; do
		i=$((i - 1))
		[ $i -gt 0 ] || return 1
		sleep 0.2
	done
}

# As at the start of any such machine, with a shorter time for clients to claim their locks.
serve()
{
	echo 3 >/proc/sys/fs/nfs/nlm_timeout && echo 6 >/proc/sys/fs/nfs/nlm_grace_period || return 1
	mount -t nfsd nfsd /root/proc/fs/nfsd || return 1
	echo 10 >/root/proc/fs/nfsd/nfsv4leasetime
	echo 10 >/root/proc/fs/nfsd/nfsv4gracetime
	in_root rpcbind || return 1
	waiting_for 20 in_root rpcinfo -p 127.0.0.1 || return 1
	in_root rpc.statd || return 1
	in_root exportfs -a && in_root rpc.nfsd -N 4 4 && in_root rpc.mountd -N 4 -p 20048
}

# The programs of the NFS back end's tests, here and against this server.
tests()
{
	local t

	for t in fs/test_nfs nfs/test_nfs_real; do
		in_root /run/build/tests/$t /run/here/knfsd >/tmp/log 2>&1
		check "$t with the kernel's server: exit status $?, $(grep -c '  OK ' /tmp/log) cases" \
			sh -c "grep -q 'PASSED.*[1-9][0-9]* test' /tmp/log && ! grep -E 'FAILED|SKIP' /tmp/log" ||
			cat /tmp/log
	done
}

check "its disk, its address and its programs" prepare || exit 1
check "the kernel's NFS server" serve || exit 1
[ -z "$TESTS" ] || tests
echo yes >$C/serving
until [ -e $C/over ]; do sleep 0.2; done
sed 's/^/rmtab: /' /root/var/lib/nfs/rmtab
check "the server stops" in_root rpc.nfsd 0
sync
exit $FAILED
