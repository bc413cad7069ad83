#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""softdpu-virtiofsd: every option there is of virtiofsd, one by one, is known: accepted, or refused by its name.
What libvirt, Kata Containers and Proxmox VE can be made to pass is accepted.

usage: test_virtiofsd_options.py DOCA_VIRTIOFS VFSLOAD [CASE...]
"""
from ctl import main
from test_virtiofsd_cli import run

# The program in Rust, as of 1.13.
LONG = '''--shared-dir=/d --tag=t --socket-path=/s --socket-group=root --socket=/s --fd=3 --thread-pool-size=0
--xattr --posix-acl --xattrmap=:map::user.x.: --sandbox=namespace --sandbox=chroot --sandbox=none --readonly
--seccomp=none --announce-submounts --no-announce-submounts
--inode-file-handles=never --inode-file-handles=prefer --inode-file-handles=mandatory --cache=never --cache=metadata
--cache=auto --cache=always --allow-mmap --no-readdirplus --writeback --allow-direct-io --modcaps=+fowner
--log-level=off --log-level=error --log-level=warn --log-level=info --log-level=debug
--log-level=trace --syslog --rlimit-nofile=0 --rlimit-nofile=65536 --killpriv-v2 --no-killpriv-v2 --security-label
--uid-map=:0:1000:1: --gid-map=:0:1000:1: --translate-uid=map:0:1000:1 --translate-gid=map:0:1000:1
--preserve-noatime --migration-mode=serialize --migration-mode=find-paths --migration-on-error=abort
--migration-on-error=guest-error --migration-verify-handles --migration-confirm-paths --daemonize'''.split()
# The one in C.
SUBS = '''source=/d cache=none cache=auto cache=always xattr no_xattr xattrmap=:map::user.x.: modcaps=+fowner flock
no_flock posix_lock no_posix_lock readdirplus no_readdirplus writeback no_writeback timeout=1 allow_direct_io
no_allow_direct_io announce_submounts killpriv_v2 no_killpriv_v2 sandbox=namespace sandbox=chroot posix_acl
no_posix_acl security_label no_security_label log_level=err max_idle_threads=10 debug'''.split()
# What keeps its meaning elsewhere, or has none here.
REFUSED = {'uid-map', 'gid-map', 'migration-mode', 'migration-on-error', 'migration-verify-handles', 'migration-confirm-paths',
           'daemonize', 'timeout', 'max-idle-threads'}


def must_be_refused(option):
    name = option.lstrip('-').replace('_', '-')
    return name in REFUSED or name.split('=')[0] in REFUSED


def look(case, option, *args):
    status, said = run(case, *args, '--print-capabilities')
    if must_be_refused(option):
        name = option.lstrip('-').split('=')[0]
        assert status == 1 and name in said, f'{option}: status {status}: {said}'
        assert 'unknown' not in said and 'does not know' not in said, f'{option}: {said}'
    else:
        assert status == 0 and 'separate-options' in said, f'{option}: status {status}: {said}'


def every_long_option(case):
    for option in LONG:
        look(case, option, option)


def values_in_words_of_their_own(case):
    for option in LONG:
        if '=' in option:
            look(case, option, *option.split('=', 1))


def every_option_of_the_c_program(case):
    for option in SUBS:
        look(case, option, '-o', option)
        look(case, option, f'-o{option}')


def all_in_one(case):
    good = [o for o in SUBS if not must_be_refused(o)]
    look(case, 'all', '-o', ','.join(good))
    look(case, 'all', *(o for o in LONG if not must_be_refused(o)))


def short_options(case):
    for args in (['-f'], ['-d'], ['-f', '-d']):
        look(case, args[0], *args)
    for args in (['-V'], ['--version'], ['-h'], ['--help']):
        status, said = run(case, *args)
        assert status == 0 and 'softdpu-virtiofsd' in said, said


if __name__ == '__main__':
    main([every_long_option, values_in_words_of_their_own, every_option_of_the_c_program, all_in_one,
          short_options])
