#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every public header compiles alone: as strict C11 and as C++17, without a warning.

usage: test_headers.py INCLUDE_DIR
Uses $CC or cc, and $CXX or c++; without a C++ compiler that half is left out and said so.
"""
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror"]


def compilers():
    cc = shlex.split(os.environ.get("CC", "cc"))
    cxx = shlex.split(os.environ.get("CXX", "c++"))
    yield "C11", cc + ["-std=c11", "-pedantic-errors"] + WARNINGS, ".c"
    if shutil.which(cxx[0]):
        # Not a warning option of C++.
        flags = [w for w in WARNINGS if w != "-Wstrict-prototypes"]
        yield "C++17", cxx + ["-std=c++17"] + flags, ".cc"
    else:
        print("no C++ compiler: C++17 not checked")


def main():
    include = pathlib.Path(sys.argv[1])
    failed = 0
    headers = sorted(p.name for p in include.glob("*.h"))
    with tempfile.TemporaryDirectory() as tmp:
        for language, command, suffix in compilers():
            for header in headers:
                # Twice, for the include guard; the declaration keeps strict C from finding
                # nothing at all in a header of macros.
                source = pathlib.Path(tmp, "alone" + suffix)
                source.write_text(f'#include "{header}"\n' * 2 + "int alone;\n")
                done = subprocess.run(command + [f"-I{include}", "-fsyntax-only", str(source)],
                                      capture_output=True, text=True)
                if done.returncode:
                    failed += 1
                    print(f"{header} as {language}:\n{done.stderr}")
    print(f"{len(headers)} headers, {failed} failures")
    return 1 if failed or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
