# SPDX-License-Identifier: BSD-3-Clause
# What only a whole PCIe function shows: its registers, a driver that comes and goes, resets.

# The function with the device's id; the first of them.
function_of()
{
	local d

	for d in /sys/bus/pci/devices/*; do
		[ "$(cat "$d/vendor" "$d/device" | tr '\n' ' ')" = "0x1af4 0x105a " ] && echo "${d##*/}" && return
	done
}

uses()
{
	echo "$2" >"$M/$1" && [ "$(cat "$M/$1")" = "$2" ]
}

remounts()
{
	mount_dpu && uses "$1" "$1" && umount $M
}

driver_off_reset_on()
{
	echo "$F" >/sys/bus/pci/drivers/virtio-pci/unbind &&
		echo 1 >"$S/reset" && echo "$F" >/sys/bus/pci/drivers/virtio-pci/bind
}

F=$(function_of)
S=/sys/bus/pci/devices/$F
check "a function is there" test -n "$F" || exit 1
echo "LSPCI-BEGIN"
lspci -nvv -s "$F" 2>/dev/null
echo "LSPCI-END"
check "it can be reset as a function" grep -q flr "$S/reset_method"
check "it has interrupts of MSI-X" test "$(ls "$S/msi_irqs" | wc -l)" -ge 2
check "mount" mount_dpu
check "use" uses a 1
check "unmount" umount $M
echo "$F" >/sys/bus/pci/drivers/virtio-pci/unbind
check "the driver let go" test ! -e "$S/driver"
check "reset of the function" sh -c "echo 1 >$S/reset"
echo "$F" >/sys/bus/pci/drivers/virtio-pci/bind
check "the driver is back" test -e "$S/driver"
check "mount after the reset" remounts b
n=0
while [ $n -lt 5 ]; do
	n=$((n + 1))
	driver_off_reset_on && remounts "c$n" || break
done
check "five times driver off, reset, driver on" test $n = 5
check "reset under the driver's feet" sh -c "echo 1 >$S/reset"
echo "$F" >/sys/bus/pci/drivers/virtio-pci/unbind
echo "$F" >/sys/bus/pci/drivers/virtio-pci/bind
check "a driver after it" remounts d
check "remove and rescan" sh -c "echo 1 >$S/remove && sleep 1 && echo 1 >/sys/bus/pci/rescan"
check "the function is found again" test -e "$S/driver"
check "and mounts" remounts e
exit $FAILED
