# SPDX-License-Identifier: BSD-3-Clause
# MANY_COUNT files, looked at twice. After each phase the host takes its measurements.

# phase NAME: tells how many inodes are remembered; the host answers when it has seen it.
phase()
{
	awk '/^fuse_inode/ { n = $2 } END { print n + 0 }' /proc/slabinfo >$M/phase.tmp && mv $M/phase.tmp $M/phase-$1
	while ! cat $M/seen-$1 >/dev/null 2>&1; do sleep 0.1; done
}

check "mount" mount_dpu || exit 1
phase mounted
for i in 1 2; do
	n=$(find $M/many -type f -size -1 | wc -l)
	check "find $i: $n files" test "$n" = "$MANY_COUNT"
	phase found$i
done
check "files are opened" sh -c "find $M/many -type f -name '*77' -print0 | xargs -0 -n 2000 cat"
phase read
echo 3 >/proc/sys/vm/drop_caches
sleep 1
phase dropped
umount $M
mount_dpu
phase unmounted
umount $M
exit $FAILED
