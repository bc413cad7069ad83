#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of functions in docs/API.md: made from symbols.txt and api_notes.txt.

usage: api_doc.py write SYMBOLS NOTES PAGE            brings the page up to date
       api_doc.py check SYMBOLS NOTES PAGE            it is up to date
       api_doc.py refusals SYMBOLS NOTES LIBRARY.so INCLUDE_DIR
                                                      what it calls unsupported says so itself
"""
import ctypes
import pathlib
import re
import sys

from symbols import read_table, strip

BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"
NOT_SUPPORTED = 4


def read_notes(path):
    notes = []
    for line in pathlib.Path(path).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        # An expression may have bars of its own: the last two are the columns'.
        pattern, status, text = (w.strip() for w in line.rsplit(" |", 2))
        if status not in ("yes", "partly", "no"):
            sys.exit(f"{path}: {line}: what is {status!r}?")
        notes.append([re.compile(pattern), status, text, 0])
    return notes


def note_of(notes, name):
    for note in notes:
        if note[0].fullmatch(name):
            note[3] += 1
            return note[1], note[2]
    sys.exit(f"{name}: no note matches")


def make(symbols, notes):
    table = read_table(symbols)
    lines, count, header = [], {"yes": 0, "partly": 0, "no": 0}, None
    for where, name in sorted(table):
        status, text = note_of(notes, name)
        count[status] += 1
        if where != header:
            lines += ["", f"### {where}", "", "| function | supported | difference from hardware |", "|---|---|---|"]
            header = where
        lines.append(f"| `{name}` | {status} | {text} |")
    unused = [n[0].pattern for n in notes if not n[3]]
    if unused:
        sys.exit(f"notes that match nothing, or are hidden by others: {unused}")
    total = f"{len(table)} functions: {count['yes']} supported, {count['partly']} partly, {count['no']} not."
    return total + "\n" + "\n".join(lines) + "\n"


def split(page):
    text = pathlib.Path(page).read_text()
    head, rest = text.split(BEGIN)
    table, tail = rest.split(END)
    return head, table, tail


def parameters(include):
    """{name: number of parameters} of all functions that are declared."""
    found = {}
    for path in pathlib.Path(include).glob("*.h"):
        for statement in strip(path.read_text()).replace("}", "").split(";"):
            m = re.search(r"(\w+)\s*\((.*)\)\s*$", statement.strip(), re.S)
            if m:
                inside = re.sub(r"\([^()]*\)", "", m.group(2))
                found[m.group(1)] = 0 if inside.strip() == "void" else inside.count(",") + 1
    return found


def refusals(symbols, notes, library, include):
    """Each is called with memory that is nothing, and has to answer before it looks at it."""
    lib, params = ctypes.CDLL(library), parameters(include)
    memory = ctypes.create_string_buffer(1 << 16)
    bad = 0
    names = [n for _, n in sorted(read_table(symbols)) if note_of(notes, n)[0] == "no"]
    for name in names:
        args = [ctypes.c_void_p(ctypes.addressof(memory) + 4096 * i) for i in range(params[name])]
        # Sizes are among the arguments, and must be plausible at most.
        result = getattr(lib, name)(*args)
        if result != NOT_SUPPORTED:
            bad += 1
            print(f"{name}: answers {result}, and is said not to be supported")
    print(f"{len(names)} functions, {bad} failures")
    return 1 if bad or not names else 0


def main():
    verb, symbols, notes = sys.argv[1], sys.argv[2], read_notes(sys.argv[3])
    if verb == "refusals":
        return refusals(symbols, notes, *sys.argv[4:])
    page = sys.argv[4]
    head, table, tail = split(page)
    wanted = make(symbols, notes)
    if verb == "write":
        pathlib.Path(page).write_text(head + BEGIN + wanted + END + tail)
    elif table != wanted:
        print(f"{page} is out of date: api_doc.py write {' '.join(sys.argv[2:])}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
