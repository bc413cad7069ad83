# SPDX-License-Identifier: BSD-3-Clause
# The laws of files: on the guest's own file systems, which tell whether a law is right, and on the device.

# on NAME DIR: every law below DIR; how many of each topic hold goes to /tmp/NAME.
on()
{
	mkdir -p "$2" && chmod 755 "$2"
	posix "$2" $ONLY >/tmp/$1.log || FAILED=1
	grep -E "^not ok|^#" /tmp/$1.log | sed "s/ - / - $1: /"
	sed -n 's/^ok - //p' /tmp/$1.log >/tmp/$1
	check "$1: $(grep -c . /tmp/$1) topics" test -s /tmp/$1
}

on_ext4()
{
	if insmod /lib/brd.ko rd_nr=1 rd_size=65536 && gunzip -c /bin/ext4.gz >/dev/ram0 2>/dev/null &&
		mount -t ext4 /dev/ram0 /mnt/ext4 2>/dev/null; then
		on ext4 /mnt/ext4/posix
		umount /mnt/ext4
	else
		ok "ext4 # SKIP no image of it"
	fi
}

# The two oracles beside each other, the device alone.
mkdir -p /mnt/tmpfs /mnt/ext4
(on_ext4; exit $FAILED) &
ext4=$!
check "a file system in memory" mount -t tmpfs -o size=200m tmpfs /mnt/tmpfs
on tmpfs /mnt/tmpfs/posix
umount /mnt/tmpfs
wait $ext4 || FAILED=1
check "mount" mount_dpu || exit 1
on fuse $M/posix
rm -rf $M/posix
umount $M
exit $FAILED
