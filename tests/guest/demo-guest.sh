# SPDX-License-Identifier: BSD-3-Clause
# What scripts/demo runs inside the guest: every line is shown and then done.

run()
{
	echo "guest# $1"
	eval "$1" || exit 1
}

mkdir -p /mnt/dpu
run 'uname -sr'
[ ! -e /bin/lspci ] || run 'lspci -nn -d 1af4:105a' 2>/dev/null
run 'mount -t virtiofs docavirtiofs /mnt/dpu'
run 'cd /mnt/dpu'
run 'ls -l'
run 'cat from-host'
run 'echo "test" > testfile'
run 'cat testfile'
run 'df -h /mnt/dpu'
run 'cd / && umount /mnt/dpu'
