# SPDX-License-Identifier: BSD-3-Clause
# The long boot: every operation, files for the host to look at, fio and stress-ng with verification.

# stress NAME OPTIONS...: stressors beside each other, each of which judges what it sees.
stress()
{
	local name=$1

	shift
	mkdir -p $M/stress
	if in_root timeout -s KILL 100 stress-ng --temp-path /run/dpu/stress --verify --timeout 2 --oomable "$@" \
		>/tmp/stress.log 2>&1; then
		ok "stress-ng $name"
	else
		cat /tmp/stress.log
		not_ok "stress-ng $name"
	fi
	rm -rf $M/stress
}

fio_verify()
{
	local name=$1

	shift
	mkdir -p $M/fio
	if in_root timeout -s KILL 100 fio --directory=/run/dpu/fio --verify=crc32c --verify_fatal=1 \
		--verify_dump=0 --group_reporting --minimal "$@" >/tmp/fio.log 2>&1; then
		ok "fio $name"
	else
		tail -5 /tmp/fio.log
		not_ok "fio $name"
	fi
	rm -rf $M/fio
}

write_witness()
{
	mkdir $M/witness && cd $M/witness || return 1
	echo "hello host" >file
	chown 1234:5678 file && chmod 640 file && touch -d @1000000000 file
	mkdir dir && chown 1000:1000 dir && chmod 2751 dir && touch -d @1000000001 dir
	ln -s target link
	mknod -m 604 pipe p
	cd /
}

check "mount" mount_dpu || exit 1
check "write files for the host" write_witness
check "big directory with ls" test "$(ls -a $M/big | wc -l)" = $((BIG_COUNT + 2))

fsops -p "$PROFILE" -b $M/big -n "$BIG_COUNT" $M/t || FAILED=1

check "enter the machine's own root" enter_host_root || exit 1
check "the machine's root is read-only" sh -c '! touch /root/usr/x 2>/dev/null'
fio_verify "four writers, buffered" --name=a --rw=randwrite --bsrange=512-64k --size=4m --numjobs=4 \
	--ioengine=psync --fallocate=none
fio_verify "four writers, direct, deep" --name=b --rw=randwrite --bs=16k --size=4m --numjobs=4 \
	--ioengine=libaio --iodepth=16 --direct=1 --fallocate=none
fio_verify "one file, mixed" --name=c --filename=shared --rw=randrw --bs=4k --size=4m --ioengine=psync \
	--direct=1 --fallocate=none
# Two of these unlink 8192 names at their end, whether they got to make them or not: one each.
stress "names" --dir 1 --dirdeep 1 --dirdeep-ops 200 --dentry 2 --dentries 200 --rename 2 --link 1 --symlink 1 \
	--filename 1 --filename-ops 200 --getdent 1
stress "data" --seek 1 --hdd 2 --hdd-bytes 4m --iomix 1 --iomix-bytes 4m \
	$([ "$PROFILE" != local ] || echo --fallocate 1 --fallocate-bytes 4m)
stress "attributes" --chmod 2 --chown 2 --utime 2 --access 1 --fstat 1 --handle 1 \
	$([ "$PROFILE" != local ] || echo --xattr 1)
check "unmount" umount /root/run/dpu
umount $M
exit $FAILED
