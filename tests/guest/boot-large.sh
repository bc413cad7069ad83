# SPDX-License-Identifier: BSD-3-Clause
# 16 MiB written and read past the guest's cache, in requests as large as the kernel makes them: 1 MiB, and
# 2 MiB where it can be told to. The host counts after each phase.

phase()
{
	echo 1 >$M/phase-$1
	while ! cat $M/seen-$1 >/dev/null 2>&1; do sleep 0.1; done
}

# copies SIZE COUNT
copies()
{
	check "write in pieces of $1" dd if=/tmp/data of=$M/large bs=$1 count=$2 oflag=direct 2>/dev/null
	phase written-$1
	check "read in pieces of $1" dd if=$M/large of=/tmp/back bs=$1 count=$2 iflag=direct 2>/dev/null
	check "the same bytes" cmp /tmp/data /tmp/back
	phase read-$1
}

dd if=/dev/urandom of=/tmp/data bs=1M count=16 2>/dev/null
check "mount" mount_dpu || exit 1
phase start-1M
copies 1M 16
umount $M
if [ -n "$LARGER" ]; then
	check "a larger limit" sh -c "echo 1024 >/proc/sys/fs/fuse/max_pages_limit"
	check "mount" mount_dpu || exit 1
	phase start-2M
	copies 2M 8
	umount $M
fi
exit $FAILED
