# SPDX-License-Identifier: BSD-3-Clause
# The guest restarts itself half-way: the device is reset and set up again on the same connection.

check "mount" mount_dpu || exit 1
if [ ! -e $M/rebooted ]; then
	check "files of the earlier guest" test "$(cat $M/witness/file)" = "hello host"
	echo yes >$M/rebooted
	exec 9>$M/held-open
	echo "open while the guest restarts" >&9
	sync
	reboot -f
fi
check "files from before the restart" test "$(cat $M/rebooted)" = yes
check "data written before the restart" grep -q "open while" $M/held-open
rm $M/rebooted $M/held-open
umount $M
exit $FAILED
