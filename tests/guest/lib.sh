# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced by the guest scripts: a Debian kernel and an initramfs that need no installation, QEMU
# with our devices, and the judgement over what the guest said. TRANSPORT=vfio-user gives the guest
# whole PCIe functions, each behind a root port, with a QEMU that can; default is vhost-user.
#
# The guest runs a script of the caller as /main. On the serial line it says GUEST-BEGIN, the
# script's output, GUEST-EXIT <status>. Everything else is noise unless it looks like a kernel bug.

softdpu_cache=${SOFTDPU_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/softdpu}
guest_modules="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
	drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci drivers/block/brd
	fs/quota/quota_tree fs/quota/quota_v2 fs/fuse/fuse fs/fuse/virtiofs"
# Of a guest that is an NFS server, in "server" and not in every guest; in the order they are loaded in.
server_modules="net/core/failover drivers/net/net_failover drivers/net/virtio_net drivers/block/virtio_blk
	net/sunrpc/sunrpc net/sunrpc/auth_gss/auth_rpcgss fs/nfs_common/grace fs/nfs_common/nfs_acl
	fs/lockd/lockd fs/nfsd/nfsd"

transport=${TRANSPORT:-vhost-user}
guest_qemu=qemu-system-x86_64

guest_die()
{
	echo "guest: $*" >&2
	exit 1
}

# A QEMU for the transport, in guest_qemu. 1: there is none, guest_why says why.
guest_find_qemu()
{
	[ "$transport" = vfio-user ] || return 0
	guest_why=$(mktemp "${TMPDIR:-/tmp}/softdpu-qemu.XXXXXX")
	guest_qemu=$("$(dirname "${BASH_SOURCE[0]}")/fetch-qemu" 2>"$guest_why")
	set -- $? "$(tail -1 "$guest_why")"
	rm -f "$guest_why"
	guest_why=$2
	return "$1"
}

# The unpacked kernel package's directory, in guest_kernel. Downloaded once, never installed.
guest_fetch_kernel()
{
	local pkg tmp

	guest_kernel=$(ls -d "$softdpu_cache"/linux-image-6.1.*-cloud-amd64 2>/dev/null | tail -1)
	[ ! -f "$guest_kernel/server/nfsd.ko" ] || return 0
	mkdir -p "$softdpu_cache"
	tmp=$(mktemp -d "$softdpu_cache/fetch.XXXXXX")
	chmod 755 "$tmp"
	for try in 1 2; do
		pkg=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
			awk '/Depends: linux-image-/ { print $2; exit }')
		[ -n "$pkg" ] && (cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root download "$pkg") && break
		apt-get -qq update || break
	done
	if ! ls "$tmp"/*.deb >/dev/null 2>&1; then
		rm -rf "$tmp"
		[ ! -f "$guest_kernel/vmlinuz" ] || return 0
		guest_die "cannot download a guest kernel"
	fi
	dpkg-deb -x "$tmp"/*.deb "$tmp/x"
	mkdir -p "$tmp/k/server"
	cp "$tmp"/x/boot/vmlinuz-* "$tmp/k/vmlinuz"
	for m in $guest_modules; do
		cp "$tmp"/x/lib/modules/*/kernel/"$m".ko "$tmp/k/"
	done
	for m in $server_modules; do
		cp "$tmp"/x/lib/modules/*/kernel/"$m".ko "$tmp/k/server/"
	done
	guest_kernel=$softdpu_cache/$pkg
	# Another one may have been faster, or an older one fetched less.
	mv -T "$tmp/k" "$guest_kernel" 2>/dev/null || cp -rn "$tmp"/k/* "$guest_kernel/"
	rm -rf "$tmp"
}

guest_write_init()
{
	cat >"$1" <<-'EOF'
	#!/bin/sh
	export PATH=/bin HOME=/ TERM=dumb
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci fuse virtiofs
	do
	[ ! -e /lib/$m.ko ] || insmod /lib/$m.ko
	done
	echo GUEST-BEGIN
	sh /main </dev/null
	echo "GUEST-EXIT $?"
	sync
	poweroff -f
	EOF
	chmod 755 "$1"
}

# The libraries a program of this machine needs, below a directory.
guest_copy_libs()
{
	local l

	for l in $(ldd "$1" 2>/dev/null | grep -o '/[^ )]*'); do
		mkdir -p "$2${l%/*}"
		cp -L "$l" "$2$l"
	done
}

# guest_initrd OUT MAIN [FILE...]: an initramfs with busybox, the modules, MAIN as /main, FILEs in /bin
# and the libraries these need.
guest_initrd()
{
	local out=$1 main=$2 d a

	shift 2
	d=$(mktemp -d "${TMPDIR:-/tmp}/softdpu-initrd.XXXXXX")
	mkdir -p "$d"/{bin,lib,proc,sys,dev,mnt,root,tmp,run}
	cp "$(command -v busybox)" "$d/bin/busybox"
	for a in $(busybox --list); do
		[ "$a" = busybox ] || ln -s busybox "$d/bin/$a"
	done
	cp "$guest_kernel"/*.ko "$d/lib/" 2>/dev/null # or it has them built in
	cp "$main" "$d/main"
	for a; do
		cp --remove-destination -L "$a" "$d/bin/"
		guest_copy_libs "$a" "$d"
	done
	[ ! -e "$d/bin/lspci" ] || [ ! -f /usr/share/misc/pci.ids ] ||
		install -D /usr/share/misc/pci.ids "$d/usr/share/misc/pci.ids"
	guest_write_init "$d/init"
	(cd "$d" && find . | cpio --quiet -o -H newc -R 0:0) >"$out"
	rm -rf "$d"
}

# guest_device N TAG=SOCKET: QEMU's arguments for a device, in args. Behind a root port it can be
# unplugged; over vfio-user the tag is the device's own.
guest_device()
{
	if [ "$transport" = vfio-user ]; then
		args+=(-device "pcie-root-port,id=rp$1,chassis=$1,slot=$1"
			-device "{\"driver\":\"vfio-user-pci\",\"id\":\"fs$1\",\"bus\":\"rp$1\",\"socket\":{\"path\":\"${2#*=}\",\"type\":\"unix\"}}")
	else
		args+=(-chardev "socket,id=c$1,path=${2#*=}"
			-device "vhost-user-fs-pci,chardev=c$1,tag=${2%%=*},queue-size=${GUEST_QUEUE_SIZE:-1024}")
	fi
}

# no_timer_check: a kernel that counts ticks while this machine is busy finds its timer dead, and panics.
#
# guest_start LOG SECONDS INITRD TAG=SOCKET...: starts a guest whose serial line goes to LOG and which
# is ended after that time; guest_pid is what guest_wait waits for. GUEST_REBOOT=1: it may restart.
# GUEST_PORTS=N: so many empty root ports, rp100 and on. GUEST_MORE: more words for QEMU. GUEST_MIB: of
# memory (512). GUEST_MEMORY=ram: it is not shared. (A memfd with share=off would be worse: QEMU hands out
# its descriptor, but not what the guest writes.) QMP is at LOG.qmp.
guest_start()
{
	local log=$1 seconds=$2 initrd=$3 accel=tcg,thread=multi cpu=max n=0 dev mib=${GUEST_MIB:-512}
	local args=(${GUEST_MORE:-}) reboot=(-no-reboot)

	shift 3
	[ -z "${GUEST_REBOOT:-}" ] || reboot=()
	[ -w /dev/kvm ] && accel=kvm cpu=host
	for dev; do
		guest_device $((++n)) "$dev"
	done
	for ((n = 100; n < 100 + ${GUEST_PORTS:-0}; n++)); do
		args+=(-device "pcie-root-port,id=rp$n,chassis=$n,slot=$n")
	done
	: >"$log"
	timeout -k 5 "$seconds" "$guest_qemu" -nodefaults -no-user-config \
		-display none -pidfile "$log.pid" "${reboot[@]}" -machine q35,memory-backend=mem \
		-accel "$accel" -cpu "$cpu" -smp 2 -m "${mib}M" \
		-object "memory-backend-${GUEST_MEMORY:-memfd,share=on},id=mem,size=${mib}M" \
		-kernel "$guest_kernel/vmlinuz" -initrd "$initrd" \
		-append "console=ttyS0 panic=-1 quiet mitigations=off no_timer_check" \
		-qmp "unix:$log.qmp,server=on,wait=off" \
		-serial "file:$log" "${args[@]}" </dev/null >"$log.qemu" 2>&1 &
	guest_pid=$!
}

# Waits for the guest's end; returns what guest_judge finds.
guest_wait()
{
	local log=$1

	wait "$guest_pid"
	[ $? -ne 124 ] || echo "guest: no end in its time" >>"$log"
	guest_pid=
	sed -i 's/\r//g' "$log"
	guest_judge "$log"
}

# guest_boot LOG SECONDS INITRD TAG=SOCKET...: both.
guest_boot()
{
	guest_start "$@"
	guest_wait "$1"
}

# Ends a guest that may still run, for clean-up.
guest_stop()
{
	[ -z "${guest_pid:-}" ] || kill_wait "$guest_pid" || :
	guest_pid=
}

# 0 when the guest's script ended well and its kernel had nothing to complain about.
guest_judge()
{
	if grep -E 'Kernel panic|BUG:|Oops|blocked for more than|general protection|double fault|WARNING: CPU' \
		"$1" >&2; then
		echo "guest: the guest's kernel is not well, see $1" >&2
		return 1
	fi
	if ! grep -q '^GUEST-EXIT 0$' "$1"; then
		echo "guest: $(grep -m1 -E '^GUEST-EXIT|^guest:' "$1" || echo 'did not get to its end'), see $1" >&2
		tail -5 "$1.qemu" >&2
		return 1
	fi
}

# Waits until a socket is listening, or the process that should do so is gone.
wait_socket()
{
	local i

	for ((i = 0; i < 300; i++)); do
		[ -S "$1" ] && return 0
		kill -0 "$2" 2>/dev/null || break
		sleep 0.1
	done
	return 1
}

# kill_wait PID [SIGNAL]: ends a child of this shell and waits for it; its status is the result.
kill_wait()
{
	kill "-${2:-TERM}" "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null
}

# Starting the file server under test
# -----------------------------------
# SOFTDPU_BUILD is the build directory. SOFTDPU_SERVER=virtiofsd puts QEMU's C virtiofsd in the place
# of our controller, to tell a fault of a test from a fault of the controller.

serve_pids=()

serve_peer()
{
	local sock=$1 log=$2 dir=$3 opts=(-o xattr -o cache=auto)

	[ "${4:-}" != readonly ] || opts=(-o cache=always)
	/usr/lib/qemu/virtiofsd --socket-path="$sock" -o source="$dir" -o sandbox=chroot "${opts[@]}" \
		</dev/null >>"$log" 2>&1 &
}

# serve_local SOCKET LOG TAG DIR [readonly]: the pid is in served.
serve_local()
{
	local ro=()

	rm -f "$1"
	if [ "${SOFTDPU_SERVER:-}" = virtiofsd ]; then
		serve_peer "$1" "$2" "$4" "${5:-}"
	else
		[ -z "${5:-}" ] || ro=(--readonly --cache always)
		"$SOFTDPU_BUILD/controller/doca_virtiofs" --local "$4" --tag "$3" --socket-path "$1" \
			--transport "$transport" ${SOFTDPU_ARGS:-} "${ro[@]}" </dev/null >>"$2" 2>&1 &
	fi
	serve_wait "$1" "$2"
}

# serve_nfs SOCKET LOG TAG EXPORT NFS_PORT MNT_PORT: the pid is in served.
serve_nfs()
{
	rm -f "$1"
	"$SOFTDPU_BUILD/controller/doca_virtiofs" -s 127.0.0.1 -e "$4" \
		-o "nfsport=$5,mountport=$6" --tag "$3" --socket-path "$1" --transport "$transport" \
		${SOFTDPU_ARGS:-} </dev/null >>"$2" 2>&1 &
	serve_wait "$1" "$2"
}

# serve_config SOCKET LOG FILE: the devices of FILE, the first of which has SOCKET.
serve_config()
{
	rm -f "$1"
	"$SOFTDPU_BUILD/controller/doca_virtiofs" --config "$3" --transport "$transport" \
		${SOFTDPU_ARGS:-} </dev/null >>"$2" 2>&1 &
	serve_wait "$1" "$2"
}

serve_wait()
{
	served=$!
	serve_pids+=("$served")
	wait_socket "$1" "$served" && return 0
	echo "the file server does not start:" >&2
	tail -20 "$2" >&2
	return 1
}

serve_stop_all()
{
	local p

	for p in "${serve_pids[@]}"; do
		kill "$p" 2>/dev/null || :
	done
	for p in "${serve_pids[@]}"; do
		wait "$p" 2>/dev/null || :
	done
	serve_pids=()
}

# User-Mode Linux
# ---------------

# guest_uml LOG SECONDS SCRIPT SOCKET: the same life without a VMM. The kernel is a process of this
# machine with the machine's / as a read-only root; it asks the device for its tag and number of
# queues. Debian's module directory is the only place the modules of its kernel are in.
guest_uml()
{
	local log=$1 seconds=$2 script=$3 sock=$4

	cat >"$log.init" <<-EOF
	#!/bin/busybox sh
	export PATH=/run/bin
	/bin/busybox mount -t proc proc /proc
	/bin/busybox mount -t tmpfs tmpfs /run
	/bin/busybox mkdir /run/bin
	/bin/busybox --install -s /run/bin
	cp $script /run/main
	mount -t tmpfs tmpfs /tmp
	for m in fuse virtiofs; do insmod $(echo /usr/lib/uml/modules/*/kernel/fs/fuse)/\$m.ko; done
	echo GUEST-BEGIN
	sh /run/main </dev/null
	echo "GUEST-EXIT \$?"
	poweroff -f
	EOF
	chmod 755 "$log.init"
	TMPDIR=$(dirname "$log") timeout -k 5 "$seconds" linux.uml mem=256M root=/dev/root \
		rootfstype=hostfs rootflags=/ ro init="$log.init" con=null con0=null,fd:1 quiet \
		virtio_uml.device="$sock:26" </dev/null 2>"$log.qemu" | tr -d '\r' >"$log"
	guest_judge "$log"
}
