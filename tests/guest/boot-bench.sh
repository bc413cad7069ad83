# SPDX-License-Identifier: BSD-3-Clause
# Times of real programs, for scripts/bench-guest: fio, and git, tar and find on a source tree.

# result NAME VALUE UNIT
result()
{
	echo "RESULT $1|$2|$3"
}

# timed NAME COMMAND...: seconds.
timed()
{
	local name="$1" begin

	shift
	echo 3 >/proc/sys/vm/drop_caches
	begin=$(cut -d' ' -f1 /proc/uptime)
	if in_root "$@" >/tmp/out 2>&1; then
		result "$name" "$(echo "$begin $(cut -d' ' -f1 /proc/uptime)" | awk '{ printf "%.2f", $2 - $1 }')" s
	else
		tail -3 /tmp/out
		FAILED=1
	fi
}

# fio_one NAME OPTIONS...: operations a second.
fio_one()
{
	local name="$1" n

	shift
	n=$(in_root fio --directory=/run/dpu/bench --name=x --filename=x --size=64m --runtime="$BENCH_SECONDS" \
		--time_based --group_reporting --minimal --ioengine=libaio "$@" 2>/tmp/out |
		awk -F';' '/^3/ { print $8 + $49; exit }')
	if [ -n "$n" ]; then result "$name" "$n" op/s; else tail -3 /tmp/out; FAILED=1; fi
}

mount_dpu && enter_host_root && mkdir -p $M/bench || exit 1
fio_one "fio 4 KiB random read, direct, depth 1" --rw=randread --bs=4k --direct=1 --iodepth=1
fio_one "fio 4 KiB random read, direct, depth 16" --rw=randread --bs=4k --direct=1 --iodepth=16
fio_one "fio 4 KiB random write, direct, depth 1" --rw=randwrite --bs=4k --direct=1 --iodepth=1
fio_one "fio 4 KiB random write, direct, depth 16" --rw=randwrite --bs=4k --direct=1 --iodepth=16
fio_one "fio 1 MiB sequential read, direct" --rw=read --bs=1m --direct=1 --iodepth=4
fio_one "fio 1 MiB sequential write, direct" --rw=write --bs=1m --direct=1 --iodepth=4
rm -f $M/bench/x
cd /
timed "git clone" git -c safe.directory='*' clone -q /run/dpu/origin.git /run/dpu/bench/clone
timed "git status" git -c safe.directory='*' -C /run/dpu/bench/clone status --porcelain
timed "tar, writing an archive" tar -C /run/dpu/bench -cf /run/dpu/bench/t.tar clone
timed "tar, unpacking it" sh -c "mkdir /run/dpu/bench/u && tar -C /run/dpu/bench/u -xf /run/dpu/bench/t.tar"
timed "find, names" find /run/dpu/bench -name 'x*y'
timed "find, attributes" find /run/dpu/bench -size +1000M
timed "rm of a tree" rm -rf /run/dpu/bench/u
rm -rf $M/bench
umount /root/run/dpu
exit $FAILED
