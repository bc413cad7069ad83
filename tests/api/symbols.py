#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of public functions (symbols.txt) against headers and libraries.

usage: symbols.py check TABLE INCLUDE_DIR    what the headers declare is the table, and exported
       symbols.py exports TABLE LIBRARY.so   what the library exports is the table
       symbols.py link-test TABLE OUTPUT.c   writes a program that takes the address of everything
"""
import pathlib
import re
import subprocess
import sys

ATTRIBUTES = {"DOCA_STABLE", "DOCA_EXPERIMENTAL", "DOCA_DEPRECATED"}


def read_table(path):
    """{(header, name): is_inline}"""
    table = {}
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        if tuple(words[:2]) in table:
            sys.exit(f"{path}: {words[1]} twice")
        table[(words[0], words[1])] = words[2:] == ["inline"]
    return table


def strip(text):
    """A header without comments, preprocessor lines and the bodies of inline functions."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"\\\n", " ", text)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    text = re.sub(r'extern\s+"C"\s*\{', "", text)
    text = re.sub(r"(static\s+inline[^{;]*)\{.*?^\}", r"\1;", text, flags=re.S | re.M)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", "", text)
    return re.sub(r"__attribute__\s*\(\(.*?\)\)", "", text, flags=re.S)


def declared(path):
    """Yields (name, is_inline, is_exported) of each function a header declares."""
    for statement in strip(path.read_text()).replace("}", "").split(";"):
        words = statement.split()
        if "(" not in statement or "typedef" in words or "_Static_assert" in statement:
            continue
        name = re.search(r"(\w+)\s*\(", statement).group(1)
        yield name, "inline" in words, bool(ATTRIBUTES & set(words))


def complain(what, names):
    for name in sorted(names):
        print(f"{what}: {name}")
    return bool(names)


def check(table_path, include):
    table = read_table(table_path)
    found, unmarked = {}, set()
    for header in sorted(pathlib.Path(include).glob("*.h")):
        for name, is_inline, is_exported in declared(header):
            found[(header.name, name)] = is_inline
            if not is_inline and not is_exported:
                unmarked.add(name)
    both = table.keys() & found.keys()
    failed = complain("declared, not in the table", {" ".join(k) for k in found.keys() - both})
    failed |= complain("in the table, not declared", {" ".join(k) for k in table.keys() - both})
    failed |= complain("inline in one of both only", {k[1] for k in both if table[k] != found[k]})
    failed |= complain("without DOCA_STABLE or the like", unmarked)
    print(f"{len(found)} functions declared, {len(table)} in the table")
    return failed or not table


def exports(table_path, library):
    wanted = {name for (_, name), is_inline in read_table(table_path).items() if not is_inline}
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                         text=True).stdout
    have = set()
    for line in out.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # the version node itself
            have.add(name.split("@")[0])
    failed = complain("not exported", wanted - have)
    failed |= complain("exported, but not in the table", have - wanted)
    print(f"{len(have)} symbols exported, {len(wanted)} in the table")
    return failed


def link_test(table_path, output):
    table = sorted(read_table(table_path))
    lines = ["/* Generated from symbols.txt. */", "#include <stdio.h>", ""]
    lines += [f'#include "{header}"' for header in sorted({h for h, _ in table})]
    lines += ["", "typedef void (*any_fn)(void);", "", "static const struct {",
              "\tconst char *name;", "\tany_fn fn;", "} functions[] = {"]
    lines += [f'\t{{"{name}", (any_fn){name}}},' for _, name in table]
    lines += ["};", "", "int main(void)", "{", "\tint missing = 0;", "",
              "\tfor (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)",
              "\t\tif (!functions[i].fn) {", '\t\t\tprintf("%s\\n", functions[i].name);',
              "\t\t\tmissing++;", "\t\t}", "\treturn missing != 0;", "}", ""]
    pathlib.Path(output).write_text("\n".join(lines))
    return False


if __name__ == "__main__":
    commands = {"check": check, "exports": exports, "link-test": link_test}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
