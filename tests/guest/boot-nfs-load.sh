# SPDX-License-Identifier: BSD-3-Clause
# Rounds of fio with verification until the host has done its worst to the server; nothing may fail, only wait.

C=/mnt/control

# fio_round N [OPTION...]: the job of round N.
fio_round()
{
	local n=$1

	shift
	in_root env DIR=/run/dpu/load/$n SEED=$n fio --minimal "$@" /run/control/load.fio >/tmp/fio.log 2>&1 && return
	cat /tmp/fio.log
	return 1
}

# Written and verified, and read once more with nothing of it in this guest's memory.
load_round()
{
	mkdir -p $M/load/$1 && fio_round $1 || return 1
	echo 3 >/proc/sys/vm/drop_caches
	fio_round $1 --verify_only
}

# Waiting for two minutes is what is asked for here.
echo 0 >/proc/sys/kernel/hung_task_timeout_secs
mkdir -p $C
check "mount" mount_dpu || exit 1
check "mount for talking to the host" mount -t virtiofs control $C || exit 1
check "enter the machine's own root" enter_host_root || exit 1
mkdir -p /root/run/control && mount -o bind $C /root/run/control
echo yes >$C/loaded
n=0
bad=0
until [ -e $C/enough ]; do
	n=$((n + 1))
	load_round $n || { bad=1; break; }
	echo $n >$C/rounds
done
check "no error in $n rounds of fio" test $bad = 0
umount /root/run/dpu
umount $M
check "mount again" mount_dpu
mount -t virtiofs docavirtiofs /root/run/dpu 2>/dev/null || mount -o bind $M /root/run/dpu
check "the last round is there" fio_round $n --verify_only
umount /root/run/dpu
umount $M
exit $FAILED
