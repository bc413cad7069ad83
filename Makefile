# SPDX-License-Identifier: BSD-3-Clause
# A thin front: meson and ninja build, scripts do the rest. Every target installs what it misses.
FS ?= local
TRANSPORT ?= vhost-user
PREFIX ?= /usr/local
BUILD ?= build-release

.PHONY: all demo test test-long bench install clean

all:
	scripts/deps.sh build
	test -f $(BUILD)/build.ninja || meson setup --buildtype=release --prefix=$(PREFIX) $(BUILD)
	ninja -C $(BUILD)

demo:
	TRANSPORT=$(TRANSPORT) scripts/demo $(FS)

test:
	scripts/test

test-long:
	scripts/test long

bench: all
	scripts/deps.sh test
	scripts/bench

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf build-release build-test
