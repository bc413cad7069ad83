# SPDX-License-Identifier: BSD-3-Clause
# Many requests in flight until the host kills the virtual machine.

mount_dpu || exit 1
for i in 1 2 3; do
	(while :; do dd if=/dev/zero of=$M/busy$i bs=256k count=40 2>/dev/null; ls $M >/dev/null; done) &
done
sleep 1
echo now >$M/kill-the-guest
sleep 60
echo "nobody killed this guest"
exit 1
