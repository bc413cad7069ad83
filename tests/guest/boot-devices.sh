# SPDX-License-Identifier: BSD-3-Clause
# Two devices of one controller: one to write, one read-only.

S=/mnt/second
mkdir -p $S
check "mount the first" mount_dpu || exit 1
check "mount the second" mount -t virtiofs second $S || exit 1
check "each shows its own files" test "$(ls $M) $(ls $S)" = "first second"
echo new >$M/new
check "what one writes the other does not show" test ! -e $S/new
check "create on the read-only one" sh -c "! touch $S/x"
check "which says why" sh -c "touch $S/x 2>&1 | grep -q 'Read-only file system'"
check "write on the read-only one" sh -c "! echo x >>$S/second"
check "remove on the read-only one" sh -c "! rm -f $S/second"
check "mkdir on the read-only one" sh -c "! mkdir $S/d"
check "chmod on the read-only one" sh -c "! chmod 600 $S/second"
check "the read-only one still reads" test "$(cat $S/second)" = 2
check "unmount the second" umount $S
check "the first is not affected" test "$(cat $M/new)" = new
umount $M
exit $FAILED
