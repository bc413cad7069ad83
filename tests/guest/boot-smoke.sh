# SPDX-License-Identifier: BSD-3-Clause
# Mount, write, read, df, unmount, and again.

check "mount" mount_dpu || exit 1
echo "test" >$M/testfile
check "read back" test "$(cat $M/testfile)" = test
check "ls" test "$(ls $M | grep -c '^testfile$')" = 1
check "df" sh -c "df $M | grep -q docavirtiofs"
check "unmount" umount $M
check "mount again" mount_dpu
check "the file is still there" test "$(cat $M/testfile)" = test
dd if=/dev/urandom of=/tmp/data bs=64k count=32 2>/dev/null
check "copy 2 MiB" cp /tmp/data $M/data
check "compare 2 MiB" cmp /tmp/data $M/data
rm $M/data $M/testfile
check "removed" test ! -e $M/testfile
umount $M
exit $FAILED
