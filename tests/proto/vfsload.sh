#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every pattern and command of vfsload once, against the controller on a private directory.
# VUFE_TRANSPORT: vhost-user (default) or vfio-user.
# usage: DOCA_VIRTIOFS=program [DOCA_VIRTIOFS_ARGS="more arguments"] vfsload.sh VFSLOAD
set -eu
transport=${VUFE_TRANSPORT:-vhost-user}
[ -x "${DOCA_VIRTIOFS:-}" ] || exit 77

program=$1
load()
{
	"$program" "$@" --transport "$transport"
}

dir=$(mktemp -d)
mkdir "$dir/export"
# shellcheck disable=SC2086 # words, not one argument
"$DOCA_VIRTIOFS" --local "$dir/export" --socket-path "$dir/sock" --transport "$transport" \
	${DOCA_VIRTIOFS_ARGS:-} >"$dir/log" 2>&1 &
pid=$!
finish()
{
	rc=$?
	kill "$pid" 2>/dev/null || :
	wait "$pid" || rc=$?
	[ $rc = 0 ] || sed 's/^/server: /' "$dir/log" >&2
	rm -rf "$dir"
	exit $rc
}
trap finish EXIT

n=0
until [ -S "$dir/sock" ]; do
	n=$((n + 1))
	[ $n -lt 100 ] || { echo "the server did not open its socket" >&2; exit 1; }
	sleep 0.05
done

load probe --socket "$dir/sock" | grep -q '^FUSE version'

head -c 300000 /dev/urandom >"$dir/in"
load put --socket "$dir/sock" file <"$dir/in"
cmp "$dir/in" "$dir/export/file"
load cat --socket "$dir/sock" file | cmp - "$dir/in"
load stat --socket "$dir/sock" file | grep -q 'size 300000'
load ls --socket "$dir/sock" / | grep -qx file
if load cat --socket "$dir/sock" nothing 2>/dev/null; then
	echo "cat of a file that is not there succeeded" >&2
	exit 1
fi

for pattern in randread randwrite seqread seqwrite rw getattr lookup-getattr create-unlink \
	       readdirplus; do
	load --socket "$dir/sock" --pattern "$pattern" --ops 3000 --depth 16 --file-size 2m \
		--verify --queues 2 --threads 2 --regions 3 --server-pid "$pid" >"$dir/out" ||
		{ cat "$dir/out"; exit 1; }
	grep -q '^  verified' "$dir/out"
done
load --socket "$dir/sock" --ops 500 --depth 4 --bs 256k --seg-size 4k --file-size 4m --verify \
	--events --json | jq -e '.ops == 500 and .errors == 0 and .latency_ns.p50 > 0' >/dev/null

# In turns with the echoes; the shares are numbers, whatever they are here.
load --socket "$dir/sock" --echo-limit --runtime 0.2 --file-size 2m --server-pid "$pid" --json |
	jq -e '.errors == 0 and .ratio_to_echo > 0 and .ratio_to_echo_touch > 0 and .echo.errors == 0' \
		>/dev/null

# Nothing may be left behind.
[ "$(ls "$dir/export")" = file ]
