#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages say what is true: examples run, and the options are those of --help.

usage: test_manuals.py DOCA_VIRTIOFS VFSLOAD SOURCE_ROOT PAGE_8 [CASE...]
"""
import os
import re
import shlex
import shutil
import subprocess
import sys

SOURCE, PAGE = sys.argv.pop(3), sys.argv.pop(3)

from ctl import CTL, LOAD, Skip, client, main, run  # noqa: E402: takes what is left of argv


def text(path):
    with open(path) as f:
        return f.read()


def examples(page):
    """Lines and blocks of the EXAMPLES section, roff taken off."""
    section = page.split('.Sh EXAMPLES', 1)[1].split('.Sh', 1)[0]
    found = re.findall(r'^\.Dl (.*)$|^\.Bd.*\n((?:.*\n)*?)\.Ed', section, re.M)
    return [(line or block).replace('\\e', '\\') for line, block in found]


def table():
    """long name -> (short name or None, description) of the parser's own table."""
    rows = re.findall(r'OPTION\((\w+), \w+, (NULL|"\w"), "([\w-]+)", (?:NULL|"[^"]*"),\s*"([^"]*)"\)',
                      text(os.path.join(SOURCE, 'controller/conf_options.def')))
    assert len(rows) > 10, rows
    return {long: (short.strip('"') if short != 'NULL' else None, what) for _, short, long, what in rows}


def help_lists_the_table(case):
    shown = run('--help').stdout
    program = shown.split('General flags:')[0]
    words = ' '.join(program.split())
    for long, (short, what) in table().items():
        flag = f'-{short}, --{long}' if short else f'--{long}'
        assert flag in program, f'{flag} is not in --help'
        assert ' '.join(what.split()) in words, f'--{long}: other words in --help'
    extra = set(re.findall(r'--([\w-]+)', ' '.join(re.findall(r'^ +(?:-\w, )?--[\w-]+', program, re.M))))
    assert extra == set(table()), extra ^ set(table())


def manual_lists_the_table(case):
    page = text(PAGE)
    words = ' '.join(page.split())
    for long, (_, what) in table().items():
        assert re.search(rf'^\.It.*Fl Fl {long}\b', page, re.M), f'--{long} is not in the manual'
        assert what in words, f'--{long}: other words in the manual'
    assert '@OPTIONS@' not in page


def manual_names_every_json_key(case):
    page = text(os.path.join(SOURCE, 'docs/man/doca_virtiofs.conf.5'))
    keys = re.findall(r'\{ "(\w+)", json_type_', text(os.path.join(SOURCE, 'controller/conf_json.c')))
    assert len(keys) > 10, keys
    for key in keys:
        assert re.search(rf'^\.It Cm.*\b{key}\b', page, re.M), f'"{key}" is not in the manual'


def manual_names_every_virtiofsd_option(case):
    """Also those that are refused, and those that have no meaning."""
    page = text(os.path.join(SOURCE, 'docs/man/softdpu-virtiofsd.1'))
    names = re.findall(r'\{ "([\w-]+)", (LONG|SUB|BOTH),',
                       text(os.path.join(SOURCE, 'controller/compat_virtiofsd.c')))
    assert len(names) > 40, names
    for name, where in names:
        # Those of migration are named together; what is on by default by its negation.
        if name.startswith('migration') or name in ('flock', 'posix-lock', 'debug', 'no-xattr'):
            continue
        spelled = name.replace('-', '_') if where == 'SUB' else name
        assert re.search(rf'\b{spelled}\b', page), f'{name} is not in the manual'


def manuals_are_well_formed(case):
    if not shutil.which('mandoc'):
        raise Skip('no mandoc')
    for page in (PAGE, os.path.join(SOURCE, 'docs/man/doca_virtiofs.conf.5'),
                 os.path.join(SOURCE, 'docs/man/softdpu-virtiofsd.1')):
        r = subprocess.run(['mandoc', '-Tlint', '-Wwarning', page], stdout=subprocess.PIPE, text=True)
        assert r.returncode == 0, r.stdout


def captive_example_runs(case):
    """As it stands, with the programs of this build in $PATH."""
    bin_dir = case.mkdir('bin')
    os.symlink(CTL, os.path.join(bin_dir, 'doca_virtiofs'))
    os.symlink(LOAD, os.path.join(bin_dir, 'vfsload'))
    line = [e for e in examples(text(PAGE)) if '--run' in e][0]
    r = subprocess.run(['sh', '-c', line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=60, env={**os.environ, 'PATH': f'{bin_dir}:{os.environ["PATH"]}'})
    assert r.returncode == 0 and 'randread' in r.stdout, r.stdout


def local_examples_run(case):
    """With private paths: what else they say is taken as it is."""
    share = case.mkdir('share')
    lines = [e.split('\n')[0].rstrip(' &') for e in examples(text(PAGE)) if '--local' in e]
    assert len(lines) >= 2, lines
    for line in lines:
        args = [a.replace('/srv/share', share).replace('/run/share.sock', case.path('sock'))
                for a in shlex.split(line)[1:]]
        server = case.server(*args, sockets=[case.path('sock')])
        client(case.path('sock'), 'probe')
        server.stop_well()


def json_example_runs(case):
    """With private sockets, and the null file system in place of the server that does not exist."""
    example = examples(text(os.path.join(SOURCE, 'docs/man/doca_virtiofs.conf.5')))[0]
    example, nr = re.subn(r'\{ "type": "nfs"[^}]*\}', '{ "type": "null" }', example)
    assert nr == 1, example
    example = example.replace('"/run/', f'"{case.dir}/').replace('/usr/share/doc', case.mkdir('doc'))
    server = case.server('--config', case.file('conf', example),
                         sockets=[case.path('docs.sock'), case.path('home.sock')])
    assert 'docs' in client(case.path('docs.sock'), 'probe').decode()
    assert 'home' in client(case.path('home.sock'), 'probe').decode()
    server.stop_well()


if __name__ == '__main__':
    main([help_lists_the_table, manual_lists_the_table, manual_names_every_json_key,
          manual_names_every_virtiofsd_option, manuals_are_well_formed, captive_example_runs,
          local_examples_run, json_example_runs])
