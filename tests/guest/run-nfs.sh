# SPDX-License-Identifier: BSD-3-Clause
#
# The profiles of run with an NFS server that fails or refuses, on machines of its own:
#
#   run nfs-outages  under fio --verify in the guest the server is killed KILLS times (3), out of reach for
#                    SILENCE seconds (4) in three ways, and moves to another address
#   run nfs-refused  a full disk, a quota, who may do what with and without root squash, an export that goes
#   run nfs-fsx      as fsx, over NFS
#   run nfs-pair     two machines and their controllers on one export: what they see, their locks
#   run nfs-knfsd    the kernel's server in a guest, see run-knfsd.sh
#
# Theory of Operation: run starts itself once more in namespaces for network, mounts and host name. There
# a bridge is the network, the namespace "srv" the server's machine with two addresses of its own, and "two"
# another client's. The name "filer" is in an /etc/hosts that only these see. Guest and host talk over a
# directory of its own, "control", which is there whatever becomes of the server: whoever has something to
# say makes a file, the other waits for it.

nfs_addr=192.0.2.1
nfs_other_addr=192.0.2.2
control=$work/control

# nfs_namespaces SERVER: a program.
nfs_namespaces()
{
	local tool

	need "$1" ip tc unshare nsenter
	[ "${NFS_NAMESPACES:-}" != own ] || return 0
	rm -rf "$work"
	unshare -n -m -u true 2>/dev/null || skip_all "no namespaces to be had"
	NFS_NAMESPACES=own exec unshare -n -m -u "$here/run" "$profile"
}

# nfs_machine NAME ADDRESS...: at the other end of the link to-NAME.
nfs_machine()
{
	local name=$1 a

	shift
	ip netns add "$name" && ip link add "to-$name" type veth peer name eth netns "$name" &&
		ip link set "to-$name" master net up && ip -n "$name" link set lo up || return 1
	for a; do
		ip -n "$name" addr add "$a/24" dev eth || return 1
	done
	ip -n "$name" link set eth up
}

nfs_network()
{
	mount -t tmpfs none /run && hostname guests-host && ip link set lo up &&
		ip link add net type bridge forward_delay 0 && ip addr add 192.0.2.10/24 dev net && ip link set net up &&
		nfs_machine srv $nfs_addr $nfs_other_addr && nfs_machine two 192.0.2.11 || return 1
	printf '127.0.0.1 localhost\n%s filer\n' $nfs_addr >"$work/hosts"
	mount --bind "$work/hosts" /etc/hosts
}

on_machine()
{
	nsenter --net="/run/netns/$1" "${@:2}"
}

nfs_cleanup()
{
	local dir

	guest_stop
	serve_stop_all
	[ -z "$nfs_state" ] || "$here/nfs-server" stop "$nfs_state"
	nfs_state=
	for dir in "$work"/*/; do
		! mountpoint -q "$dir" || umount -l "$dir"
	done
	cleanup
}

# nfs_begin [NAME=VALUE...]: everything but the server of files to guests; the words are for nfs-server.
nfs_begin()
{
	find_guest
	trap nfs_cleanup EXIT
	trap 'exit 130' INT TERM
	nfs_network || bail_out "no network of its own"
	case " $* " in
	*" NFS_LOCKS=1 "*) nfs_lock_daemons || bail_out "no rpc.statd" ;;
	esac
	mkdir -p -m 755 "$control" "$export"
	eval "$(on_machine srv env NFS_BIND=$nfs_addr "$@" "$here/nfs-server" start "$export" |
		sed 's/^PID=/NFS_PID=/; s/^STATE=/nfs_state=/')"
	[ -n "$nfs_state" ] || bail_out "no NFS server"
	SOFTDPU_ARGS="--cache none" serve_local "$work/control.sock" "$work/control.log" control "$control" &&
		serve_local "$root_sock" "$work/root.log" hostroot / readonly || bail_out "no file server"
}

nfs_revive()
{
	eval "$(on_machine srv "$here/nfs-server" revive "$nfs_state" "$@" | sed -n 's/^PID=/NFS_PID=/p')"
}

# nfs_serve OPTIONS: the controller, as any client of "filer".
nfs_serve()
{
	"$SOFTDPU_BUILD/controller/doca_virtiofs" -s filer -e "$export" \
		-o "nfsport=$NFS_PORT,mountport=$MNT_PORT,$1" --tag docavirtiofs --socket-path "$sock" \
		--transport "$transport" --state-dir "$work" ${SOFTDPU_ARGS:-} </dev/null >>"$work/server.log" 2>&1 &
	serve_wait "$sock" "$work/server.log" || bail_out "no file server"
	main_server=$served
}

# nfs_start NAME SECONDS TAG=SOCKET...: begins a boot with boot-NAME.sh; nfs_end NAME reports it.
nfs_start()
{
	local name=$1 seconds=$2

	shift 2
	cat "$here/guest-lib.sh" "$here/boot-$name.sh" >"$work/$name.main"
	guest_initrd "$work/$name.cpio" "$work/$name.main" "${guest_files[@]}"
	guest_start "$work/$name.log" "$seconds" "$work/$name.cpio" control="$work/control.sock" "$@"
}

nfs_end()
{
	guest_wait "$work/$1.log"
	boot_report "$1" $?
}

# heard NAME SECONDS: waits for the guest's word.
heard()
{
	local i

	for ((i = 0; i < $2 * 10; i++)); do
		[ ! -e "$control/$1" ] || return 0
		kill -0 "$guest_pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "nothing heard of $1"
	return 1
}

say()
{
	echo yes >"$control/$1"
}

# ---- outages ----

nfs_bytes()
{
	awk '/^[rw]char/ { n += $2 } END { print n + 0 }' "/proc/$NFS_PID/io"
}

# nfs_works [BYTES]: the server has had work to do, half a MiB by that count since it was asked.
nfs_works()
{
	local bytes=${1:-nfs_bytes} start i

	start=$($bytes)
	for ((i = 0; i < 3000; i++)); do
		[ $(($($bytes) - start)) -lt 524288 ] || return 0
		sleep 0.05
	done
	echo "the guest does not go on"
	return 1
}

# At any moment of its work, and away for any time below a second.
nfs_kill()
{
	local i

	for ((i = 0; i < ${KILLS:-3}; i++)); do
		nfs_works || return 1
		sleep "0.$((RANDOM % 10))"
		"$here/nfs-server" crash "$nfs_state"
		sleep "0.$((RANDOM % 10))"
		nfs_revive || return 1
	done
	nfs_works
}

# nfs_silence COMMAND... -- COMMAND...: something that keeps the server from being heard, and the end of it.
nfs_silence()
{
	local begin=()

	while [ "$1" != -- ]; do begin+=("$1"); shift; done
	shift
	nfs_works && "${begin[@]}" && sleep "${SILENCE:-4}" && "$@" && nfs_works
}

nfs_move()
{
	nfs_works || return 1
	"$here/nfs-server" crash "$nfs_state"
	printf '127.0.0.1 localhost\n%s filer\n' $nfs_other_addr >"$work/hosts"
	nfs_revive $nfs_other_addr && nfs_works
}

# Two buffered and two direct writers. Each round has files and contents of its own, so that what is lost
# cannot be what was there before.
nfs_fio_job()
{
	cat <<-'EOT'
	[global]
	directory=${DIR}
	randseed=${SEED}
	rw=randwrite
	verify=crc32c
	verify_fatal=1
	verify_dump=0
	verify_state_save=0
	fallocate=none
	group_reporting
	[buffered]
	ioengine=psync
	bs=4k
	size=1m
	numjobs=2
	fsync=8
	[direct]
	ioengine=libaio
	direct=1
	iodepth=8
	bs=16k
	size=4m
	numjobs=2
	fsync=16
	EOT
}

# On the server's own disk.
nfs_all_there()
{
	local i rounds

	rounds=$(cat "$control/rounds")
	[ "$rounds" -ge 1 ] || return 1
	for ((i = 1; i <= rounds; i++)); do
		DIR=$export/load/$i SEED=$i fio --verify_only --output="$work/fio.out" "$control/load.fio" ||
			{ cat "$work/fio.out"; return 1; }
	done
	du -sh "$export/load"
}

nfs_log_says()
{
	grep -q "$1" "$work/server.log"
}

run_nfs_outages()
{
	local link="dev to-srv" s=${SILENCE:-4}

	need fio
	nfs_begin
	nfs_fio_job >"$control/load.fio"
	nfs_serve timeo=20
	nfs_start nfs-load $((300 + ${KILLS:-3} * 30 + 5 * s)) docavirtiofs="$sock" hostroot="$root_sock"
	check "fio runs in the guest" heard loaded 200
	SECONDS=0
	check "server killed ${KILLS:-3} times" nfs_kill
	echo "# the kills took $SECONDS s"
	check "server stopped for $s s" nfs_silence kill -STOP "$NFS_PID" -- kill -CONT "$NFS_PID"
	check "cable out for $s s" nfs_silence ip link set $link down -- ip link set $link up
	check "all packets lost for $s s" nfs_silence \
		tc qdisc add $link root tbf rate 8bit burst 1 limit 1 -- tc qdisc del $link root
	check "server moved to another address" nfs_move
	say enough
	nfs_end nfs-load
	check "$(cat "$control/rounds") rounds of fio are on the server's disk" nfs_all_there
	check "the log says that it waited" nfs_log_says "not responding, still trying"
	check "and that it goes on" nfs_log_says "filer OK"
	finish
}

# ---- a server that refuses ----

# The exports besides the first: tags, which are directories, too, and how each is exported.
nfs_more_exports()
{
	local tag id=1 squash

	for tag in full quota rights squashed gone; do
		squash=No_Root_Squash
		[ $tag != squashed ] || squash=Root_Squash
		id=$((id + 1))
		# One line each, so that one can be taken away.
		echo "EXPORT { Export_Id = $id; Path = $work/$tag; Pseudo = /$tag; Squash = $squash;" \
			"Anonymous_Uid = 65534; Anonymous_Gid = 65534; FSAL { Name = VFS; } }"
	done >"$work/more.conf"
}

# A small disk, and one with a quota; a kernel that cannot do that has a case less.
nfs_disks()
{
	mkdir -m 777 "$work"/{full,quota,rights,squashed,gone}
	mount -t tmpfs -o size=6m,mode=777 none "$work/full" || return 1
	truncate -s 128M "$work/btrfs"
	mkfs.btrfs -q "$work/btrfs" >/dev/null && mount -o loop "$work/btrfs" "$work/quota" &&
		chmod 777 "$work/quota" && btrfs quota enable "$work/quota" &&
		btrfs qgroup limit 6M 0/5 "$work/quota" && return
	say_ok "quota # SKIP no btrfs here"
	say no-quota
}

nfs_refused_config()
{
	local tag comma=

	echo '{ "devices": ['
	for tag in full quota rights squashed gone; do
		cat <<-EOT
		$comma { "tag": "$tag", "socket": "$work/$tag.sock", "filesystem": { "type": "nfs", "server": "filer",
			"export": "$work/$tag", "options": "nfsport=$NFS_PORT,mountport=$MNT_PORT,timeo=20" } }
		EOT
		comma=,
	done
	echo '] }'
}

# Two of the users get more than the mode says, or less.
nfs_lists()
{
	setfacl -m u:1001:r,u:1002:rwx "$@"
}

# nfs_rights TAG...: everybody's rights on this machine, for comparison.
nfs_rights()
{
	local tag anon

	for tag; do
		anon=
		[ $tag != squashed ] || anon=65534
		mkdir -m 777 "$work/$tag"/{host,guest} &&
			"$SOFTDPU_BUILD/tests/guest/rights" make "$work/$tag/host" &&
			"$SOFTDPU_BUILD/tests/guest/rights" make "$work/$tag/guest" &&
			if [ $tag = lists ]; then nfs_lists "$work/$tag"/{host,guest}/*; fi &&
			"$SOFTDPU_BUILD/tests/guest/rights" try "$work/$tag/host" $anon >"$work/$tag.host" || return 1
	done
}

# same_rights TAG [PATTERN]: but for the attempts of that pattern.
same_rights()
{
	grep -vE "${2:-none}" "$work/$1.host" >"$work/want"
	grep -vE "${2:-none}" "$control/$1.guest" | diff -U 0 "$work/want" - && [ "$(wc -l <"$work/want")" -gt 700 ]
}

# nfs_edit SED: the server with another configuration.
nfs_edit()
{
	"$here/nfs-server" crash "$nfs_state"
	sed -i "$1" "$nfs_state/ganesha.conf"
	nfs_revive
}

nfs_export_goes()
{
	heard export-used 120 || return 1
	echo other >"$work/gone/other"
	nfs_edit '/Pseudo = .gone;/s/^/#/' && say export-gone && heard export-missed 120 &&
		nfs_edit '/Pseudo = .gone;/s/^#//' && say export-back
}

run_nfs_refused()
{
	local tag devices=()

	need mkfs.btrfs
	guest_files=("$SOFTDPU_BUILD/tests/guest/refused" "$SOFTDPU_BUILD/tests/guest/rights")
	nfs_more_exports
	mkdir -m 755 "$control"
	nfs_disks || bail_out "no small disk"
	nfs_rights rights squashed || bail_out "no objects to try"
	nfs_begin NFS_MORE="$work/more.conf"
	nfs_refused_config >"$work/devices.json"
	sock=$work/full.sock
	SOFTDPU_ARGS="--state-dir $work ${SOFTDPU_ARGS:-}"
	serve_config "$sock" "$work/server.log" "$work/devices.json" || bail_out "no file server"
	main_server=$served
	for tag in full quota rights squashed gone; do
		devices+=("$tag=$work/$tag.sock")
	done
	nfs_start nfs-refused 600 "${devices[@]}"
	check "an export taken away and given back" nfs_export_goes
	nfs_end nfs-refused
	check "the log tells of it" nfs_log_says "filer does not export $work/gone any more"
	check "and of its return" nfs_log_says "filer exports $work/gone again"
	check "everybody's rights are those on the server" same_rights rights
	# access() is answered by the guest's kernel, for whom root is root.
	check "and with root squashed" same_rights squashed '^root.*access-'
	finish
}

# ---- two machines, each with a controller of its own, on one export ----

# The server's machine has program $1 within half a minute.
nfs_registered()
{
	local i

	for ((i = 0; i < 300; i++)); do
		! on_machine srv rpcinfo -p 127.0.0.1 2>/dev/null | grep -q "^ *$1 .* tcp" || return 0
		sleep 0.1
	done
	return 1
}

# Not on_machine: $! is to be the program itself.
nfs_daemon()
{
	nsenter --net=/run/netns/srv "$@" >"$work/$1.log" 2>&1 </dev/null &
	serve_pids+=($!)
}

# The lock manager of the server's machine needs these.
nfs_lock_daemons()
{
	mount -t tmpfs none /var/lib/nfs && mkdir -p /run/rpcbind /run/ganesha /var/lib/nfs/{sm,sm.bak,ganesha} ||
		return 1
	nfs_daemon rpcbind -f
	nfs_registered 100000 || return 1
	nfs_daemon rpc.statd -F
	nfs_registered 100024
}

run_nfs_pair()
{
	local common=("$SOFTDPU_BUILD/controller/doca_virtiofs" -s filer -e "$export" --transport "$transport")

	need rpcbind rpcinfo rpc.statd
	nfs_begin NFS_LOCKS=1
	common+=(-o "nfsport=$NFS_PORT,mountport=$MNT_PORT,timeo=20,lock=remote")
	"${common[@]}" --tag one --socket-path "$sock" --state-dir "$work" </dev/null >>"$work/server.log" 2>&1 &
	serve_wait "$sock" "$work/server.log" || bail_out "no file server"
	main_server=$served
	mkdir "$work/state-two"
	# Not on_machine: $! is to be the server itself.
	nsenter --net=/run/netns/two "${common[@]}" --tag two --socket-path "$work/two.sock" --state-dir "$work/state-two" \
		</dev/null >>"$work/two.log" 2>&1 &
	serve_wait "$work/two.sock" "$work/two.log" || bail_out "no second file server"
	root_sock=$work/two.sock
	pair_mode=nfs
	pair_play
	finish
}

# ---- as over a local directory ----

run_nfs_fsx()
{
	profile=nfs
	big_count=10
	FSX_SECONDS=${FSX_SECONDS:-10}
	guest_files+=("$SOFTDPU_BUILD/tests/guest/fsx")
	setup
	boot nfs-fsx $((120 + 10 * FSX_SECONDS)) boot-fsx.sh
	finish
}

nfs_profile()
{
	case $profile in
	nfs-outages | nfs-refused | nfs-pair) nfs_namespaces ganesha.nfsd ;;
	nfs-knfsd)
		. "$here/run-knfsd.sh"
		nfs_namespaces rpc.nfsd
		;;
	nfs-fsx) ;;
	*) bail_out "no such profile" ;;
	esac
	"run_${profile//-/_}"
}
