# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced by what fetches packages of a newer Debian to unpack them beside the system. The caller has set
# suite and cache, and has fail MESSAGE, which ends it. Nothing is installed, and apt's state is not touched:
# apt runs with a state, a cache and sources of its own.

backports_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror this machine uses already.
mirror()
{
	sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)*\(http[^ ]*\).*/\2/p' \
		/etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list \
		2>/dev/null | grep -v security | head -1
}

apt_run()
{
	"$@" -qq -o Dir::State="$tmp/apt" -o Dir::State::status="$tmp/apt/status" \
		-o Dir::Cache="$tmp/apt/cache" -o Dir::Etc::sourcelist="$tmp/apt/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o APT::Install-Recommends=0 -o APT::Sandbox::User=root 2>>"$tmp/log"
}

apt()
{
	apt_run apt-get "$@" >>"$tmp/log"
}

# Makes tmp, which goes at the end, and the package lists.
backports_start()
{
	local p url

	for p in apt-get dpkg-deb; do
		command -v $p >/dev/null || fail "$p is missing"
	done
	[ "$(dpkg --print-architecture)" = amd64 ] || fail "only known for amd64"
	[ -f $backports_keyring ] || fail "debian-archive-keyring is not installed"
	mkdir -p "$cache" && tmp=$(mktemp -d "$cache/fetch.XXXXXX") || fail "cannot write to $cache"
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT TERM
	url=$(mirror)
	url=${url:-http://deb.debian.org/debian}
	mkdir -p "$tmp"/apt/lists/partial "$tmp"/apt/cache/archives/partial
	: >"$tmp/apt/status"
	printf 'deb [signed-by=%s] %s %s main\n' $backports_keyring "$url" "$suite" $backports_keyring "$url" \
		"$suite-backports" >"$tmp/apt/sources.list"
	apt update || fail "$url: $(tail -1 "$tmp/log")"
}
