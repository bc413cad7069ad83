#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `meson install` leaves behind is enough to build programs for the API, and to run them.

usage: test_install.py SOURCE_DIR BUILD_DIR PREFIX LIBDIR SANITIZERS
Installs into a temporary directory; needs a complete build (77 = skipped without one). Uses $CC or
cc, and pkg-config.
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

PACKAGES = ["doca-common", "doca-argp", "doca-dma", "doca-devemu"]

PROGRAM = r"""
#include <stdio.h>

#include <doca_argp.h>
#include <doca_dev.h>
#include <doca_devemu_vfs_type.h>
#include <doca_dma.h>
#include <doca_log.h>
#include <doca_version.h>

DOCA_LOG_REGISTER(INSTALLED);

int main(int argc, char **argv)
{
	struct doca_log_backend *backend;
	struct doca_devinfo **list;
	uint32_t cnt, max = 0;
	uint8_t supported = 0;

	if (doca_log_backend_create_with_file(stdout, &backend) != DOCA_SUCCESS ||
	    doca_argp_init("installed", NULL) != DOCA_SUCCESS ||
	    doca_argp_start(argc, argv) != DOCA_SUCCESS ||
	    doca_argp_destroy() != DOCA_SUCCESS ||
	    doca_devinfo_create_list(&list, &cnt) != DOCA_SUCCESS || !cnt)
		return 1;
	if (doca_devemu_vfs_is_default_vfs_type_supported(list[0], &supported) != DOCA_SUCCESS ||
	    doca_dma_cap_task_memcpy_get_max_buf_list_len(list[0], &max) != DOCA_SUCCESS)
		return 2;
	DOCA_LOG_INFO("%u %u %s", supported, max, doca_version());
	doca_devinfo_destroy_list(list);
	return 0;
}
"""


def run(command, **kwargs):
    done = subprocess.run(command, capture_output=True, text=True, **kwargs)
    if done.returncode:
        sys.exit(f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def install(build, root):
    meson = shutil.which("meson")
    if not meson:
        print("no meson to install with")
        sys.exit(77)
    done = subprocess.run([meson, "install", "-C", build, "--no-rebuild", "--destdir", root],
                          capture_output=True, text=True)
    if done.returncode and "could not be found" in done.stdout + done.stderr:
        print("the build is not complete")
        sys.exit(77)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def check_headers(source, include):
    want = {p.name for p in pathlib.Path(source, "include").glob("*.h")}
    have = {p.name for p in include.glob("*.h")}
    if want != have:
        sys.exit(f"headers installed and not: {sorted(want ^ have)}")


def check_program(path, libdir):
    env = dict(os.environ, LD_LIBRARY_PATH=str(libdir))
    env.pop("SOFTDPU_BOARD", None)
    line = run([path], env=env)
    if "[INSTALLED]" not in line or "] 1 1040 " not in line:
        sys.exit(f"{path} printed: {line}")


def main(source, build, prefix, libdir_name, sanitizers):
    cc = shlex.split(os.environ.get("CC", "cc")) + ["-Wall", "-Wextra", "-Werror",
                                                   "-DDOCA_ALLOW_EXPERIMENTAL_API"]
    if sanitizers != "none":
        cc.append(f"-fsanitize={sanitizers}")
    with tempfile.TemporaryDirectory() as tmp:
        root = pathlib.Path(tmp, "root")
        install(build, root)
        libdir = root / prefix.lstrip("/") / libdir_name
        env = dict(os.environ, PKG_CONFIG_LIBDIR=str(libdir / "pkgconfig"),
                   PKG_CONFIG_SYSROOT_DIR=str(root))
        check_headers(source, root / prefix.lstrip("/") / "include/softdpu")
        program = pathlib.Path(tmp, "program.c")
        program.write_text(PROGRAM)
        for package in PACKAGES:
            flags = run(["pkg-config", "--cflags", "--libs", package], env=env).split()
            run(cc + [program, "-o", f"{tmp}/{package}"] + flags)
            check_program(f"{tmp}/{package}", libdir)
        flags = run(["pkg-config", "--cflags", "doca-devemu"], env=env).split()
        run(cc + [program, "-o", f"{tmp}/static"] + flags +
            [libdir / "libsoftdpu_static.a", "-ljson-c", "-lpthread"])
        check_program(f"{tmp}/static", libdir)
    print(f"{len(PACKAGES)} packages, and the static library")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
