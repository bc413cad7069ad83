# SPDX-License-Identifier: BSD-3-Clause
# The local file system on an ext4 with project quotas in the guest's memory. Its test says what failed.

mkdir -p /mnt/quota
insmod /lib/quota_tree.ko && insmod /lib/quota_v2.ko && insmod /lib/brd.ko rd_nr=1 rd_size=32768
gunzip -c /bin/ext4.gz >/dev/ram0
check "a file system with project quotas" mount -t ext4 -o prjquota /dev/ram0 /mnt/quota || exit 1
TEST_LOCAL_BASE=/mnt/quota test_local_quota >/tmp/out 2>&1
status=$?
cat /tmp/out
check "test_local_quota" test $status = 0
umount /mnt/quota
exit $FAILED
