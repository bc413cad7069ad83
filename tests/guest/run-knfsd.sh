# SPDX-License-Identifier: BSD-3-Clause
#
# The profile nfs-knfsd of run: the kernel's NFS server, with its lock and status monitors, in a guest of its own.
#
# Theory of Operation: the server's guest (boot-knfsd.sh) has its exports on an ext4 disk, which outlives it, and
# its address on a tap of the network namespace that run-nfs.sh makes. There it is "filer"; clients are programs of
# this machine, and a second guest with the controller. It lives several times: once to run the back end's own
# tests on the server itself, which see its directories; once for clients; and then, for a writer with fsync,
# it is killed as often as KILLS says (3), as by a power cut.

knfsd_disk=$work/disk
knfsd_export=/run/dpu/export
server_pid=
main_server=

knfsd_network()
{
	mount -t tmpfs none /run && mkdir /run/rpcbind && hostname guests-host && ip link set lo up &&
		ip tuntap add dev to-srv mode tap && ip addr add 192.0.2.10/24 dev to-srv &&
		ip link set to-srv up || return 1
	printf '127.0.0.1 localhost\n%s filer\n192.0.2.10 guests-host\n' $nfs_addr >"$work/hosts"
	mount --bind "$work/hosts" /etc/hosts
}

# Everything but its programs, which are this machine's.
knfsd_make_disk()
{
	local d=$work/root

	mkdir -p "$d"/{etc,tmp,export/t,export/big,export/load,state/sm,state/sm.bak,state/v4recovery} &&
		chmod 1777 "$d/tmp" && touch "$d"/state/{etab,rmtab} "$d"/etc/{exports,resolv.conf} || return 1
	(cd "$d/export/big" && seq -f 'f%.0f' 0 $((big_count - 1)) | xargs -n 5000 touch)
	cp "$work/hosts" "$d/etc/hosts"
	cp -a "$work/rights" "$work/lists" "$d/export/" && cp -a "$work/squashed" "$d/" || return 1
	truncate -s 256M "$knfsd_disk" && mkfs.ext4 -q -b 4096 -N 32768 -d "$d" "$knfsd_disk" && rm -rf "$d"
}

# knfsd_start NAME SECONDS [VARIABLE=VALUE...]: a life of the server, until it serves.
knfsd_start()
{
	local name=$1 seconds=$2

	shift 2
	rm -f "$control"/{over,serving}
	{
		printf '%s\n' "TESTS= WHEN=sync SERVER_MODULES='$(basename -a $server_modules | tr '\n' ' ')'" \
			"BUILD='$SOFTDPU_BUILD' HERE='$here'" "$@"
		cat "$here/guest-lib.sh" "$here/boot-knfsd.sh"
	} >"$work/$name.main"
	guest_initrd "$work/$name.cpio" "$work/$name.main" "$guest_kernel"/server/*.ko
	GUEST_MORE="-netdev tap,id=net,ifname=to-srv,script=no,downscript=no
		-device virtio-net-pci,netdev=net
		-drive file=$knfsd_disk,id=disk,if=none,format=raw,cache=unsafe -device virtio-blk-pci,drive=disk" \
		guest_start "$work/$name.log" "$seconds" "$work/$name.cpio" control="$work/control2.sock" \
		hostroot="$work/root2.sock"
	server_pid=$guest_pid
	heard serving "$seconds"
}

# knfsd_end NAME: in good order.
knfsd_end()
{
	say over
	guest_pid=$server_pid
	server_pid=
	nfs_end "$1"
}

# knfsd_crash NAME: at once.
knfsd_crash()
{
	kill -KILL "$(cat "$work/$1.log.pid")"
	wait "$server_pid" 2>/dev/null
	server_pid=
}

knfsd_cleanup()
{
	guest_stop
	guest_pid=$server_pid
	nfs_cleanup
}

# A device: TAG EXPORT [OPTIONS].
knfsd_device()
{
	cat <<-EOT
	{ "tag": "$1", "socket": "$work/$1.sock", "filesystem": { "type": "nfs", "server": "filer",
		"export": "$2", "options": "timeo=20${3:-}" } }
	EOT
}

# The controller, which asks for every port.
knfsd_serve()
{
	sock=$work/docavirtiofs.sock
	{
		echo '{ "devices": ['
		knfsd_device docavirtiofs $knfsd_export
		echo ,
		knfsd_device squashed /run/dpu/squashed
		echo ,
		knfsd_device lists $knfsd_export ,acl
		echo '] }'
	} >"$work/devices.json"
	SOFTDPU_ARGS="--state-dir $work ${SOFTDPU_ARGS:-}" \
		serve_config "$sock" "$work/server.log" "$work/devices.json" || bail_out "no file server"
	main_server=$served
}

knfsd_begin()
{
	[ -x "$SOFTDPU_BUILD/tests/fs/nfs_probe" ] || skip_all "without cmocka, or with libnfs"
	find_guest
	[ -f "$guest_kernel/server/nfsd.ko" ] || skip_all "this kernel's package has no NFS server that fits it"
	trap knfsd_cleanup EXIT
	trap 'exit 130' INT TERM
	mkdir -p -m 755 "$control"
	knfsd_network || bail_out "no network of its own"
	mkdir -m 777 "$work"/{rights,squashed,lists}
	nfs_rights rights squashed lists || bail_out "no objects to try"
	knfsd_make_disk || bail_out "no disk"
	rpcbind -f >"$work/rpcbind.log" 2>&1 &
	serve_pids+=($!)
	SOFTDPU_ARGS="--cache none" serve_local "$work/control.sock" "$work/control.log" control "$control" &&
		SOFTDPU_ARGS="--cache none" serve_local "$work/control2.sock" "$work/control2.log" control "$control" &&
		serve_local "$root_sock" "$work/root.log" hostroot / readonly &&
		serve_local "$work/root2.sock" "$work/root2.log" hostroot / readonly || bail_out "no file server"
}

# ---- clients of one life ----

knfsd_load()
{
	local pattern

	for pattern in "rw --bs 16k --file-size 4m --depth 8" "create-unlink --depth 4" "lookup-getattr --depth 8" \
		"readdirplus --files 1000 --depth 1"; do
		# shellcheck disable=SC2086 # words
		"$SOFTDPU_BUILD/tools/vfsload/vfsload" --socket "$sock" --verify --events --runtime 3 --pattern $pattern \
			>"$work/load" 2>&1 && ! grep -q 'errors: [1-9]' "$work/load" || { cat "$work/load"; return 1; }
	done
}

# A lock of ours when the server starts again.
knfsd_lock()
{
	local pid i

	timeout 300 "$SOFTDPU_BUILD/tests/fs/nfs_lock_probe" filer $knfsd_export restart >"$work/lock" 2>&1 \
		< <(until [ -e "$control/again" ]; do sleep 0.2; done) &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		! grep -qs '^held$' "$work/lock" || break
		sleep 0.2
	done
	knfsd_crash knfsd && knfsd_start knfsd-again 600
	say again
	wait "$pid" || { cat "$work/lock"; return 1; }
}

# knfsd_lists N: that many clients of what squashes root.
knfsd_lists()
{
	timeout 60 showmount --no-headers -a filer >"$work/mounts" &&
		[ "$(grep -c '/squashed$' "$work/mounts")" = "$1" ]
}

knfsd_clients()
{
	check "the kernel's server" knfsd_start knfsd 1500 WHEN=async || return
	check "ports, locks, ACLs" timeout 100 "$SOFTDPU_BUILD/tests/fs/nfs_probe" filer $knfsd_export linux
	check "locks that wait, and a client that is killed" timeout 100 \
		"$SOFTDPU_BUILD/tests/fs/nfs_lock_probe" filer $knfsd_export
	knfsd_serve
	check "a load, verified" knfsd_load
	echo "PROFILE=nfs BIG_COUNT=$big_count" | cat - "$here/guest-lib.sh" "$here/boot-knfsd-client.sh" >"$work/client.main"
	guest_initrd "$work/client.cpio" "$work/client.main" "$SOFTDPU_BUILD"/tests/guest/{fsops,rights}
	guest_boot "$work/client.log" 900 "$work/client.cpio" control="$work/control.sock" docavirtiofs="$sock" \
		squashed="$work/squashed.sock" lists="$work/lists.sock"
	boot_report client $?
	check "everybody's rights are those on the server" same_rights rights
	# access() is answered by the guest's kernel, for whom root is root.
	check "and with root squashed" same_rights squashed '^root.*access-'
	check "and by ACLs" same_rights lists
	check "the server has us in its list" knfsd_lists 1
	check "the controller ends well" ends_well
	check "and not any more" knfsd_lists 0
	check "a lock is kept over a restart" knfsd_lock
	knfsd_end knfsd-again
}

# ---- power cuts ----

knfsd_bytes()
{
	ip -s -j link show to-srv | jq '.[0].stats64 | .rx.bytes + .tx.bytes'
}

# A second machine writes all the while; guest_pid is its.
knfsd_cuts()
{
	local i writer

	check "the kernel's server" knfsd_start knfsd-0 600 || return
	knfsd_serve
	nfs_fio_job >"$control/load.fio"
	nfs_start nfs-load $((400 + ${KILLS:-3} * 60)) docavirtiofs="$sock" hostroot="$root_sock"
	writer=$guest_pid
	check "fio runs in a guest" heard loaded 200
	for ((i = 1; i <= ${KILLS:-3}; i++)); do
		check "power cut $i under load" nfs_works knfsd_bytes
		sleep "0.$((RANDOM % 10))"
		knfsd_crash knfsd-$((i - 1))
		check "the server is back" knfsd_start knfsd-$i 600
		guest_pid=$writer
	done
	check "the writer goes on" nfs_works knfsd_bytes
	say enough
	nfs_end nfs-load
	knfsd_end knfsd-$((i - 1))
	mkdir "$work/mnt" && mount -o loop "$knfsd_disk" "$work/mnt" || bail_out "cannot look at the disk"
	export=$work/mnt/export
	check "$(cat "$control/rounds") rounds of fio are on the server's disk" nfs_all_there
}

# phase NAME: ONLY has one of them.
phase()
{
	[ -z "${ONLY:-}" ] || [ "$ONLY" = "$1" ]
}

run_nfs_knfsd()
{
	profile=nfs
	need setfacl rpcbind rpc.statd showmount rpc.nfsd rpc.mountd exportfs mkfs.ext4 fio jq
	big_count=3000
	knfsd_begin
	if phase tests; then
		check "the tests of the NFS back end on the server itself" knfsd_start knfsd-tests 500 TESTS=1
		knfsd_end knfsd-tests
	fi
	! phase clients || knfsd_clients
	! phase cuts || knfsd_cuts
	finish
}
