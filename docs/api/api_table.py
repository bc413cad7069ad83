#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""docs/API.md out of the table of public functions and the notes on them.

usage: api_table.py write SYMBOLS NOTES API.md
       api_table.py check SYMBOLS NOTES API.md    fails if API.md is not what write would make it,
                                                  or a note is about nothing
"""
import fnmatch
import pathlib
import sys

STATES = {'yes': 'yes', 'part': 'partly', 'no': 'no'}
HEAD = '''<!-- SPDX-License-Identifier: BSD-3-Clause -->
<!-- Made by docs/api/api_table.py from tests/api/symbols.txt and docs/api/notes.txt. -->
# The public API

Programs for a DPU compile and link unchanged against these {functions} functions of {headers} headers. What each of them means,
who owns what, and which errors there are is said where it is declared, in `include/`. This is the list of what works, and of what is
different from a card.

*no*: the function checks its arguments and answers `DOCA_ERROR_NOT_SUPPORTED`, as a card does that lacks the capability. The
table is checked by a test.
'''


def read_symbols(path):
    """{header: [names]}"""
    table = {}
    for line in pathlib.Path(path).read_text().splitlines():
        words = line.split()
        if words and words[0] != '#':
            table.setdefault(words[0], []).append(words[1])
    return table


def read_notes(path):
    """[(pattern, state, note)]"""
    notes = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.startswith('#'):
            continue
        parts = [p.strip() for p in line.split('|', 2)]
        if len(parts) != 3 or parts[1] not in STATES:
            sys.exit(f'{path}:{number}: not "PATTERN | yes/part/no | NOTE"')
        notes.append(tuple(parts))
    return notes


def render(symbols, notes):
    used = set()
    functions = sum(len(names) for names in symbols.values())
    out = [HEAD.format(functions=functions, headers=len(symbols))]
    for header in sorted(symbols):
        out.append(f'\n## {header}\n\n| function | works | different from a card |\n|---|---|---|\n')
        for name in symbols[header]:
            state, text = 'yes', ''
            for note in notes:
                if fnmatch.fnmatchcase(name, note[0]):
                    used.add(note)
                    state, text = note[1:]
            out.append(f'| `{name}` | {STATES[state]} | {text} |\n')
    return ''.join(out), [n for n in notes if n not in used]


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ('write', 'check'):
        sys.exit(__doc__)
    text, unused = render(read_symbols(sys.argv[2]), read_notes(sys.argv[3]))
    for note in unused:
        print(f'{sys.argv[3]}: no function is called {note[0]}')
    path = pathlib.Path(sys.argv[4])
    if sys.argv[1] == 'write':
        path.write_text(text)
        return 0
    if not path.exists() or path.read_text() != text:
        print(f'{path} is out of date: run docs/api/api_table.py write {" ".join(sys.argv[2:])}')
        return 1
    return bool(unused)


if __name__ == '__main__':
    sys.exit(main())
