#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""softdpu-virtiofsd: the options that libvirt, Kata Containers and Proxmox VE pass to virtiofsd."""
import grp
import json
import os
import signal
import socket
import subprocess
import time

from ctl import CTL, PATIENCE, Skip, client, main, until

NAME = 'softdpu-virtiofsd'


class Daemon:
    """One of them, under its own name. args may name the directory of the case with {}."""

    def __init__(self, case, *args, fds=(), wait=True):
        self.case, self.sock, self.log = case, case.path('sock'), case.path(f'log{len(case.processes)}')
        binary = case.path(NAME)
        if not os.path.lexists(binary):
            os.symlink(CTL, binary)
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([binary, *(a.format(case.dir) for a in args)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, pass_fds=fds)
        case.processes.append(self.process)
        if wait:
            until('it serves', lambda: 'serving' in self.said() or self.process.poll() is not None)
            assert self.process.poll() is None, self.said()

    def said(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def inside(self):
        """The process in the sandbox, or the one and only."""
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as f:
            children = f.read().split()
        return int(children[0]) if children else self.process.pid

    def ends(self, status=0):
        got = self.process.wait(PATIENCE)
        assert got == status, f'status {got}: {self.said()}'
        assert 'Sanitizer' not in self.said(), self.said()


def run(case, *args):
    d = Daemon(case, *args, wait=False)
    return d.process.wait(PATIENCE), d.said()


def share(case, name='share'):
    case.mkdir(name)
    os.chmod(case.path(name), 0o755)
    case.file(f'{name}/hello', 'from the host')


def need_root():
    if os.geteuid():
        raise Skip('needs root')


def listening(case, name='sock'):
    s = socket.socket(socket.AF_UNIX)
    s.bind(case.path(name))
    s.listen(1)
    return s


def capabilities_are_json(case):
    status, said = run(case, '--print-capabilities')
    caps = json.loads(said)
    assert status == 0 and caps['type'] == 'fs' and 'separate-options' in caps['features'], said


def descriptor_is_found(case):
    """What libvirt reads to find the binary, with the same features."""
    with open(os.path.join(os.path.dirname(CTL), '60-softdpu-virtiofsd.json')) as f:
        descriptor = json.load(f)
    assert descriptor['type'] == 'fs' and os.path.basename(descriptor['binary']) == NAME, descriptor
    assert descriptor['features'] == json.loads(run(case, '--print-capabilities')[1])['features']


def spellings(case, *args):
    """With an inherited socket: serves, and the end of the connection is its end."""
    need_root()
    share(case)
    with listening(case) as s:
        d = Daemon(case, f'--fd={s.fileno()}', *args, fds=(s.fileno(),), wait=False)
    assert client(d.sock, 'cat', 'hello') == b'from the host'
    d.ends()
    assert os.path.exists(d.sock), 'the socket belongs to who made it'


def libvirt_spelling(case):
    spellings(case, '-o', 'source={}/share,cache=always,sandbox=namespace,xattr,flock,no_posix_lock',
              '--thread-pool-size=4')


def libvirt_separate_options(case):
    spellings(case, '--shared-dir', '{}/share', '--cache', 'never', '--sandbox', 'chroot', '--xattr',
              '--rlimit-nofile', '4096')


def kata_spelling(case):
    spellings(case, '--syslog', '--cache=auto', '--shared-dir={}/share', '--thread-pool-size=1',
              '--announce-submounts')


def proxmox_spelling(case):
    spellings(case, '--shared-dir={}/share', '--announce-submounts', '--allow-direct-io', '--cache=auto',
              '--posix-acl', '--xattr', '--writeback', '--inode-file-handles=prefer')


def vmspawn_spelling(case):
    """systemd-vmspawn and mkosi."""
    spellings(case, '--shared-dir', '{}/share', '--xattr', '--no-announce-submounts', '--sandbox=chroot',
              '--inode-file-handles=never', '--no-readdirplus')


def c_daemon_spelling(case):
    spellings(case, '-f', '-d', '-o', 'source={}/share', '-o', 'cache=none,no_writeback,no_xattr,log_level=debug',
              '-o', 'announce_submounts,killpriv_v2')


def commas_in_paths(case):
    need_root()
    share(case, 'a,b')
    with listening(case) as s:
        d = Daemon(case, f'--fd={s.fileno()}', '-o', 'source={}/a,,b,cache=auto', fds=(s.fileno(),))
    assert client(d.sock, 'cat', 'hello') == b'from the host'
    d.ends()


def refused_by_name(case):
    share(case)
    base = ['--shared-dir', '{}/share', '--socket-path', '{}/sock', '--sandbox', 'none']
    for args, *words in (
            (['--frobnicate'], '--frobnicate'),
            (['-x'], '-x'),
            (['-o', 'frobnicate'], 'frobnicate'),
            (['-o', 'timeout=5'], 'timeout'),
            (['--fd=3'], '--fd', '--socket-path'),
            (['--uid-map=:0:1000:1:'], '--uid-map'),
            (['--gid-map', ':0:1000:1:'], '--gid-map'),
            (['--seccomp=mostly'], '--seccomp=mostly'),
            (['--cache=sometimes'], 'sometimes'),
            (['--sandbox=jail'], '--sandbox=jail'),
            (['--inode-file-handles=often'], '--inode-file-handles=often'),
            (['--modcaps=-sys_admim'], '--modcaps'),
            (['-o', 'modcaps=sys_admin'], '--modcaps'),
            (['--migration-mode=find-paths'], '--migration-mode'),
            (['--daemonize'], '--daemonize'),
            (['--thread-pool-size=many'], '--thread-pool-size=many'),
            (['--rlimit-nofile=-1'], '--rlimit-nofile'),
            (['--log-level=loud'], '--log-level'),
            (['--readonly=yes'], '--readonly'),
            (['--cache'], '--cache'),
            (['--socket-group=no-such-group'], 'no-such-group'),
            (['--xattrmap=:nonsense'], 'xattrmap'),
            (['--translate-uid=nonsense'], 'translate-uid')):
        status, said = run(case, *base, *args)
        assert status == 1, f'{args}: status {status}: {said}'
        assert all(w in said for w in words), f'{args}: none of {words} in: {said}'
        assert not os.path.exists(case.path('sock')), f'{args}: left a socket'
    for args, word in ((['--socket-path', '{}/sock'], '--shared-dir'), (['--shared-dir', '{}/share'], '--fd'),
                       (['--fd=0', '--shared-dir', '{}/share', '--sandbox=none'], 'fd:0')):
        status, said = run(case, *args)
        assert status == 1 and word in said, said


def missing_directory_is_named(case):
    need_root()
    for sandbox in ('none', 'chroot', 'namespace'):
        status, said = run(case, '--shared-dir', '{}/none', '--socket-path', '{}/sock', '--sandbox', sandbox)
        assert status == 1 and case.path('none') in said and 'No such file' in said, said
        status, said = run(case, '--shared-dir', case.file('file'), '--socket-path', '{}/sock', '--sandbox', sandbox)
        assert status == 1 and case.path('file') in said and 'Not a directory' in said, said
        assert not os.path.exists(case.path('sock')), sandbox


def socket_of_another_is_left_alone(case):
    share(case)
    with listening(case):
        status, said = run(case, '--shared-dir', '{}/share', '--socket-path', '{}/sock', '--sandbox=none')
        assert status == 1 and 'in use' in said, said
    assert os.path.exists(case.path('sock'))
    case.file('plain', 'x')
    status, said = run(case, '--shared-dir', '{}/share', '--socket-path', '{}/plain', '--sandbox=none')
    assert status == 1 and os.path.exists(case.path('plain')), said


def second_one_harms_no_other(case):
    """To know that the socket is in use it knocks; the first one waits for its front end all the same."""
    share(case)
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock', '--sandbox=none')
    for _ in range(5):
        status, said = run(case, '--shared-dir', '{}/share', '--socket-path', '{}/sock', '--sandbox=none')
        assert status == 1 and 'in use' in said, said
    assert client(d.sock, 'cat', 'hello') == b'from the host'
    d.ends()


def socket_and_group(case):
    """A stale one is replaced; mode and group; gone at the end."""
    need_root()
    share(case)
    listening(case).close()
    group = next((g for g in grp.getgrall() if g.gr_gid), None)
    if group is None:
        raise Skip('no group')
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock', '--sandbox=none', '--socket-group',
               group.gr_name)
    st = os.stat(d.sock)
    assert st.st_mode & 0o777 == 0o660 and st.st_gid == group.gr_gid, oct(st.st_mode)
    d.process.send_signal(signal.SIGTERM)
    d.ends()
    assert not os.path.exists(d.sock)


def sandbox_namespace(case):
    need_root()
    share(case)
    case.file('secret', 'not for the guest')
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock', '--rlimit-nofile=2048')
    root = f'/proc/{d.inside()}'
    assert d.inside() != d.process.pid
    assert sorted(os.listdir(f'{root}/root')) == ['dev', 'proc', 'share']
    assert os.listdir(f'{root}/root/share') == ['hello']
    for ns in ('mnt', 'pid', 'net'):
        assert os.readlink(f'{root}/ns/{ns}') != os.readlink(f'/proc/self/ns/{ns}'), ns
    with open(f'{root}/limits') as f:
        assert 'Max open files            2048                 2048' in f.read()
    with open(f'{root}/mountinfo') as f:
        mounts = [line.split()[4] for line in f]
    assert sorted(mounts) == ['/', '/dev/null', '/proc', '/share'], mounts
    try:
        open(f'{root}/root/new', 'w').close()
        raise AssertionError('the root of the sandbox can be written')
    except OSError:
        pass
    d.process.send_signal(signal.SIGTERM)
    d.ends()
    assert not os.path.exists(d.sock)


def signals_to_all_processes(case):
    """As a terminal and systemd send them, and the one outside passes its own on: that is not a second one."""
    need_root()
    share(case)
    for sig in (signal.SIGINT, signal.SIGTERM):
        d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock')
        inside = d.inside()
        d.process.send_signal(sig)
        for _ in range(20):
            try:
                os.kill(inside, sig)
            except ProcessLookupError:
                break
            time.sleep(0.001)
        d.ends()
        assert not os.path.exists(d.sock)


def sandbox_chroot(case):
    need_root()
    share(case)
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock', '--sandbox=chroot')
    root = f'/proc/{d.inside()}'
    assert os.listdir(f'{root}/root/share') == ['hello']
    assert os.readlink(f'{root}/ns/net') == os.readlink('/proc/self/ns/net')
    assert client(d.sock, 'cat', 'hello') == b'from the host'
    d.ends()


def sandbox_none(case):
    need_root()
    share(case)
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock', '--sandbox=none')
    assert d.inside() == d.process.pid
    assert client(d.sock, 'cat', 'hello') == b'from the host'
    d.ends()
    assert not os.path.exists(d.sock)


def killed_parent_takes_all_along(case):
    need_root()
    share(case)
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock')
    inside = d.inside()
    d.process.kill()
    d.process.wait()
    until('the process in the sandbox is gone', lambda: not os.path.exists(f'/proc/{inside}'))


def mounts_of_the_host_are_seen(case):
    """What the host mounts below the directory later is there, too."""
    need_root()
    share(case)
    case.mkdir('share/m')
    d = Daemon(case, '--shared-dir={}/share', '--socket-path={}/sock')
    mounted = subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', case.path('share/m')]).returncode == 0
    try:
        with open('/proc/self/mountinfo') as f:
            shared = any('shared:' in line for line in f)
        if not mounted or not shared:
            raise Skip('mounts are not shared on this machine')
        case.file('share/m/x', 'mounted later')
        assert client(d.sock, 'cat', 'm/x') == b'mounted later'
    finally:
        if mounted:
            subprocess.run(['umount', case.path('share/m')], check=True)


if __name__ == '__main__':
    main([capabilities_are_json, descriptor_is_found, libvirt_spelling, libvirt_separate_options,
          kata_spelling, proxmox_spelling, vmspawn_spelling, c_daemon_spelling, commas_in_paths, refused_by_name,
          missing_directory_is_named, socket_of_another_is_left_alone, second_one_harms_no_other, socket_and_group,
          sandbox_namespace, signals_to_all_processes, sandbox_chroot, sandbox_none, killed_parent_takes_all_along,
          mounts_of_the_host_are_seen])
