# SPDX-License-Identifier: BSD-3-Clause
# A full disk, a quota, who may do what, and an export that goes away.

C=/mnt/control

# full TAG ERROR CALL: until the server's disk says no, by that call; then with room again.
full()
{
	local tag=$1 error=$2 call=$3 d=/mnt/$1/$3

	mkdir $d && chmod 777 $d
	check "$tag: $error of $call()" refused fill $d 1000 $error $call
	echo 3 >/proc/sys/vm/drop_caches
	check "$tag: nothing confirmed is lost" refused confirmed $d
	check "$tag: it goes on with room again" refused again $d 1000
	echo 3 >/proc/sys/vm/drop_caches
	check "$tag: and that is there" refused confirmed $d
	rm -r $d
}

# Users other than root write their notes to /tmp.
chmod 755 / && chmod 1777 /tmp
mkdir -p $C
check "mount for talking to the host" mount -t virtiofs control $C || exit 1
for tag in full quota rights squashed gone; do
	mkdir -p /mnt/$tag
	check "mount $tag" mount -t virtiofs $tag /mnt/$tag || exit 1
done
for call in write fsync; do
	full full ENOSPC $call
	[ -e $C/no-quota ] || full quota EDQUOT $call
done
for tag in rights squashed; do
	rights try /mnt/$tag/guest >$C/$tag.guest || not_ok "asking for rights"
done
check "the export goes and comes back" refused export /mnt/gone $C
for tag in full quota rights squashed gone; do
	check "unmount $tag" umount /mnt/$tag
done
umount $C
exit $FAILED
