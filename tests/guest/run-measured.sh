# SPDX-License-Identifier: BSD-3-Clause
#
# The profiles of `run` in which the host measures while the guest waits: many and large. The guest makes
# phase-NAME when it gets there, and goes on when there is seen-NAME.

# KiB of memory of its own that the controller has in use; what it touched of the guest is not its.
memory_now()
{
	awk '/^RssAnon/ { print $2 }' "/proc/$main_server/status"
}

# Answers the guest's phases: "NAME KIB DESCRIPTORS INODES SECONDS" of each in measurements. INODES are
# those that the guest remembers.
measure_phases()
{
	local name begin=$SECONDS

	for name in mounted found1 found2 read dropped unmounted; do
		while [ ! -e "$export/phase-$name" ]; do
			kill -0 "$main_server" 2>/dev/null || return
			sleep 0.1
		done
		echo "$name $(memory_now) $(ls "/proc/$main_server/fd" | wc -l) $(cat "$export/phase-$name")" \
			"$((SECONDS - begin))" >>"$work/measurements"
		begin=$SECONDS
		echo yes >"$export/seen-$name"
	done
}

# measured NAME COLUMN
measured()
{
	awk -v name="$1" -v column="$2" '$1 == name { print $column }' "$work/measurements"
}

kib_at()
{
	measured "$1" 2
}

make_many()
{
	local i

	for ((i = 0; i < 50; i++)); do
		mkdir -p "$export/many/$i" &&
			(cd "$export/many/$i" && seq -f 'f%.0f' $((MANY_COUNT / 50)) | xargs -n 5000 touch)
	done
}

# Of a file that the guest remembers at that phase.
bytes_each()
{
	echo $((($(kib_at "$1") - $(kib_at mounted)) * 1024 / $(measured "$1" 4)))
}

# 200 bytes a file, and what the first requests of a mount cost anyway.
judge_many()
{
	local base room name all

	base=$(kib_at mounted)
	room=$((MANY_COUNT * 200 / 1024 + 4096))
	[ "$(measured found1 4)" -lt "$MANY_COUNT" ] || all=yes
	for name in found1 found2 read; do
		check "$name: $(kib_at $name) KiB, $(measured $name 3) descriptors, $(measured $name 5) s" \
			test $(($(kib_at $name) - base)) -le $room
		[ "$MANY_COUNT" -lt 500000 ] || [ -z "${all:-}" ] ||
			check "$name: $(bytes_each $name) bytes for each of the $(measured $name 4) inodes there" \
				test "$(bytes_each $name)" -le 200
	done
	[ -z "${all:-}" ] || check "it stays there when they are looked at again" \
		test $(($(kib_at found2) - $(kib_at found1))) -le 2048
	for name in dropped unmounted; do
		check "$name: what the guest forgets is given back, $(kib_at $name) KiB" \
			test $(($(kib_at $name) - base)) -le $((room / 4 + 4096))
	done
}

run_many()
{
	local watcher

	profile=local
	big_count=10
	MANY_COUNT=$((${MANY_COUNT:-30000} / 50 * 50))
	# An inode and a name take about 1.2 KiB of the guest.
	GUEST_MIB=${MANY_MIB:-$((512 + MANY_COUNT * 3 / 2048))}
	ulimit -n 1024
	setup
	make_many
	measure_phases &
	watcher=$!
	boot many $((120 + MANY_COUNT / 500)) boot-many.sh
	kill_wait $watcher
	echo "# phase KiB descriptors inodes seconds"
	sed 's/^/# /' "$work/measurements"
	if check "all phases were measured" test "$(grep -c . "$work/measurements")" = 6; then judge_many; fi
	finish
}

# requests OPCODE: how many there were.
requests()
{
	rpc virtio_fs_device_get_stat '{}' | jq "[.. | objects | select(.opcode? == \"$1\") | .count] | add // 0"
}

# Answers the phases of boot-large.sh: "PHASE READS WRITES" in measurements.
count_requests()
{
	local name

	for name in start-1M written-1M read-1M start-2M written-2M read-2M; do
		while [ ! -e "$export/phase-$name" ]; do
			kill -0 "$main_server" 2>/dev/null || return
			sleep 0.1
		done
		echo "$name $(requests READ) $(requests WRITE)" >>"$work/measurements"
		echo yes >"$export/seen-$name"
	done
}

# judge_large SIZE COUNT: besides the data there are a phase's own file, and the answer to it.
judge_large()
{
	local reads writes

	reads=$(($(measured "read-$1" 2) - $(measured "written-$1" 2)))
	writes=$(($(measured "written-$1" 3) - $(measured "start-$1" 3)))
	check "16 MiB written with $writes requests of $1" test "$writes" -le $(($2 + 1)) -a "$writes" -ge "$2"
	check "16 MiB read with $reads requests of $1" test "$reads" -le $(($2 + 2)) -a "$reads" -ge "$2"
}

run_large()
{
	local watcher

	profile=local
	big_count=10
	need jq python3
	SOFTDPU_ARGS="--rpc-socket $work/rpc ${SOFTDPU_ARGS:-}"
	setup
	if find_newer; then LARGER=yes; else say_ok "requests of 2 MiB # SKIP $(tail -1 "$work/why")"; fi
	count_requests &
	watcher=$!
	boot large 300 boot-large.sh
	kill_wait $watcher
	sed 's/^/# /' "$work/measurements"
	judge_large 1M 16
	[ -z "${LARGER:-}" ] || judge_large 2M 8
	finish
}
