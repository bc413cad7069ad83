#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares fuse_ops.def with the handler types of the public header: same operations, same arguments.

usage: check_fuse_ops.py fuse_ops.def doca_devemu_vfs_io.h
"""
import re
import sys

TYPE = re.compile(r'doca_devemu_vfs_io_event_vfs_fuse_(\w+)_req_notice_handler_cb_t\s*\)?\s*\(([^;]*)\)\s*;',
                  re.S)


def rows(path):
    for line in open(path):
        m = re.match(r'FUSE_OP\((.*)\)\s*$', line)
        if m:
            yield [c.strip() for c in m.group(1).split(',')]


def expected(row):
    _, _, arg, names, reply, reply2, flags = row
    args = ['doca_devemu_vfs_fuse_req', 'void', 'fuse_in_header']
    if arg != 'none':
        args.append('fuse_' + arg)
    if int(names) or 'FUSE_F_DATAIN' in flags:
        args.append('doca_buf')
    if 'FUSE_F_NOREPLY' not in flags:
        args.append('fuse_out_header')
    args += ['fuse_' + r for r in (reply, reply2) if r != 'none']
    if 'FUSE_F_DATAOUT' in flags:
        args.append('doca_buf')
    return args


def declared(path):
    text = re.sub(r'/\*.*?\*/', ' ', open(path).read(), flags=re.S)
    for name, args in TYPE.findall(text):
        yield name, [re.search(r'(\w+)\s*\*', a).group(1) for a in args.split(',')]


def main():
    table = {r[1]: expected(r) for r in rows(sys.argv[1])}
    header = dict(declared(sys.argv[2]))
    header.pop('notification', None)  # not an opcode
    bad = 0
    for name in sorted(set(table) | set(header)):
        if table.get(name) != header.get(name):
            print(name, 'table:', table.get(name), 'header:', header.get(name))
            bad += 1
    print(len(table), 'operations,', bad, 'differ')
    return bad != 0 or not table


if __name__ == '__main__':
    sys.exit(main())
