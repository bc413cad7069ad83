# SPDX-License-Identifier: BSD-3-Clause
# Functions come and go under a running guest, which tells the host by files when it wants what. ROUNDS: how
# often it is given back; at the end the controller is stopped, or the last one is given back for good.

L=/mnt/late

# until_ok SECONDS COMMAND...
until_ok()
{
	local n=$(($1 * 5))

	shift
	while ! "$@" 2>/dev/null; do
		n=$((n - 1))
		[ $n -gt 0 ] || return 1
		usleep 200000
	done
}

has_functions()
{
	[ "$(cat /sys/bus/pci/devices/*/device | grep -c '^0x105a$')" = "$1" ]
}

# start_fio DIRECTORY SECONDS OPTION...
start_fio()
{
	local d=$1 s=$2

	shift 2
	in_root fio --name=busy --directory=$d --rw=randrw --bs=16k --size=4m --numjobs=2 --ioengine=libaio \
		--iodepth=8 --direct=1 --fallocate=none --time_based --runtime=$s "$@" >/tmp/fio.${d##*/} 2>&1 &
}

# Work on the late one goes on when it is taken away; what becomes of it is not the point.
give_back()
{
	mount -o bind $L /root/run/late
	start_fio /run/late 100
	LATE=$!
	check "fio works on it" until_ok 150 sh -c "[ \$(ls $L | grep -c busy) = 2 ]"
	sleep 1
	echo 1 >$M/want-unplug
	check "it goes away under fio" until_ok 150 has_functions 2
	kill -KILL $LATE 2>/dev/null
	wait $LATE 2>/dev/null
	until_ok 20 umount /root/run/late || umount -l /root/run/late
	until_ok 20 umount $L || umount -l $L
}

check "mount" mount_dpu || exit 1
check "enter the machine's own root" enter_host_root || exit 1
check "two functions at the start" has_functions 2
mkdir -p $L /root/run/late $M/all-the-time
start_fio /run/dpu/all-the-time $((4 + 3 * ROUNDS)) --verify=crc32c --verify_backlog=32 --verify_fatal=1
FIO=$!
n=0
while :; do
	echo 1 >$M/want-plug
	check "a third function appears" until_ok 150 has_functions 3
	check "and mounts" until_ok 100 mount -t virtiofs late $L
	check "it has the files of the host" test "$(cat $L/on-host)" = late
	check "it can be written" sh -c "echo written $n >$L/new && [ \"\$(cat $L/new)\" = 'written $n' ]"
	[ $n -lt $ROUNDS ] || break
	give_back
	n=$((n + 1))
done
umount $L
check "fio on the first one did not notice" wait $FIO
echo 1 >$M/want-stop
sleep 2
exit $FAILED
