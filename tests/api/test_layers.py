#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Who may include whom: a directory of src/ only those above it in LAYERS, src/base no public
header but that of the FUSE protocol, the controller the public headers and src/base. Every file
opens with its licence.

usage: test_layers.py SOURCE_ROOT
"""
import pathlib
import re
import sys

LAYERS = ["base", "core", "virtio", "fuse", "devemu", "transport"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def includes(path):
    """The quoted includes of a file, as the first directory of each, and whether it is public."""
    for name in INCLUDE.findall(path.read_text(errors="replace")):
        public = bool(re.match(r"(doca_\w+|softdpu_ext)\.h$", name))
        yield name, name.split("/")[0] if "/" in name else None, public


def allowed(path, root, name, top, public):
    where = path.relative_to(root).parts
    if where[0] == "src":
        if public:
            return where[1] != "base" or name == "doca_devemu_vfs_fuse_kernel.h"
        return top not in LAYERS or LAYERS.index(top) <= LAYERS.index(where[1])
    return top == "base" or top not in LAYERS


def main():
    root = pathlib.Path(sys.argv[1])
    files = [p for top in ("src", "controller") for p in sorted((root / top).rglob("*.[ch]"))]
    failed = 0
    for path in files:
        text = path.read_text(errors="replace")
        if not text.startswith("/* SPDX-License-Identifier: BSD-3-Clause */"):
            failed += 1
            print(f"{path.relative_to(root)}: no licence line")
        for name, top, public in includes(path):
            if not allowed(path, root, name, top, public):
                failed += 1
                print(f"{path.relative_to(root)}: must not include {name}")
    print(f"{len(files)} files, {failed} failures")
    return 1 if failed or not files else 0


if __name__ == "__main__":
    sys.exit(main())
