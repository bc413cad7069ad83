#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every function that docs/API.md says does not work answers so itself, whatever it is given.

usage: test_refusals.py API.md LIBRARY.so INCLUDE_DIR
"""
import ctypes
import pathlib
import re
import sys

from symbols import strip

NOT_SUPPORTED = 4


def parameters(include):
    """{name: number of parameters} of the functions that return an error."""
    found = {}
    for path in pathlib.Path(include).glob("*.h"):
        for statement in strip(path.read_text()).replace("}", "").split(";"):
            m = re.search(r"doca_error_t\s+(\w+)\s*\((.*)\)\s*$", statement.strip(), re.S)
            if m:
                inside = re.sub(r"\([^()]*\)", "", m.group(2))
                found[m.group(1)] = inside.count(",") + 1
    return found


def main():
    page, library, include = sys.argv[1:]
    names = re.findall(r"^\| `(\w+)` \| no \|", pathlib.Path(page).read_text(), re.M)
    lib, params = ctypes.CDLL(library), parameters(include)
    memory = ctypes.create_string_buffer(1 << 16)
    called = failed = 0
    for name in names:
        if name not in params:  # it returns nothing, so it cannot refuse
            continue
        # Memory that is nothing: the answer comes before it is looked at.
        args = [ctypes.c_void_p(ctypes.addressof(memory) + 4096 * i) for i in range(params[name])]
        result = getattr(lib, name)(*args)
        called += 1
        if result != NOT_SUPPORTED:
            failed += 1
            print(f"{name}: answers {result}, and is said not to work")
    print(f"{called} functions of {len(names)}, {failed} failures")
    return 1 if failed or called < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
