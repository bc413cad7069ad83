# SPDX-License-Identifier: BSD-3-Clause
#
# In front of every boot-*.sh: runs inside the guest, under busybox. M is where the device is mounted.

M=/mnt/dpu
FAILED=0

ok()
{
	echo "ok - $*"
}

not_ok()
{
	echo "not ok - $*"
	FAILED=1
}

# check NAME COMMAND...: a case, and whether it passed.
check()
{
	local name="$1"

	shift
	if "$@"; then
		ok "$name"
	else
		not_ok "$name"
		return 1
	fi
}

mount_dpu()
{
	mkdir -p $M
	mount -t virtiofs docavirtiofs $M
}

# The machine's own / as a read-only root for its programs, with the device at /run/dpu.
enter_host_root()
{
	mkdir -p /root
	mount -t virtiofs -o ro hostroot /root || return 1
	mount -t tmpfs tmpfs /root/tmp && mount -t tmpfs tmpfs /root/run || return 1
	mkdir -p /root/run/dpu
	mount -o bind /proc /root/proc && mount -o bind /dev /root/dev || return 1
	mount -t virtiofs docavirtiofs /root/run/dpu 2>/dev/null || mount -o bind $M /root/run/dpu
}

# in_root COMMAND...: runs a program of the machine inside the guest.
in_root()
{
	chroot /root /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
