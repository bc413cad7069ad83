#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What running controllers may still do: capabilities, no_new_privs and the filter of every thread; and
that everything they are for goes on under it, since the first call too many would be their end."""
import glob
import os
import shutil
import signal
import socket
import subprocess

from ctl import CTL, Skip, client, load, main, run, until
from test_rpc import start

NFS_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../guest/nfs-server')
NAME = 'softdpu-virtiofsd'
CAPS = {n: 1 << i for i, n in enumerate(
    'chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable '
    'net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot '
    'sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease '
    'audit_write audit_control setfcap'.split())}
LOCAL = ('chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'setgid', 'setuid', 'mknod', 'setfcap',
         'linux_immutable')
PATTERNS = ('randread', 'randwrite', 'rw', 'getattr', 'lookup-getattr', 'create-unlink', 'readdirplus')


def status_of(path):
    with open(f'{path}/status') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f)


def need_root():
    if os.geteuid():
        raise Skip('needs root')


def mask(names):
    """Of these, those that we have and so could pass on."""
    return sum(CAPS[n] for n in names) & int(status_of('/proc/self')['CapPrm'], 16)


def check(pid, names, filtered=True):
    threads = glob.glob(f'/proc/{pid}/task/*')
    assert threads
    for t in threads:
        st = status_of(t)
        for which in ('CapPrm', 'CapEff', 'CapBnd'):
            assert int(st[which], 16) == mask(names), f'{st["Name"]} {which} {st[which]}, not {mask(names):x}'
        assert int(st['CapInh'], 16) == 0 and int(st['CapAmb'], 16) == 0, st
        assert (st['NoNewPrivs'], st['Seccomp']) == ('1', '2' if filtered else '0'), st


def confined(case, names, *args, filtered=True, **kw):
    need_root()
    server = case.server(*args, **kw)
    # The last of the start is after the word that it serves.
    until('the start is over', lambda: all(int(status_of(t)['CapPrm'], 16) == mask(names)
                                           for t in glob.glob(f'/proc/{server.process.pid}/task/*')))
    check(server.process.pid, names, filtered)
    return server


def cpus():
    return '0x3' if os.cpu_count() > 1 else '0x1'


def exercise(sock, *args, patterns=PATTERNS):
    for pattern in patterns:
        load(sock, pattern, '--verify', '--file-size', '256k', '--files', '16', '--ops', '100', '--warmup', '0', *args)
    client(sock, 'put', 'file', *args, data=b'content')
    assert client(sock, 'cat', 'file', *args) == b'content'
    assert b'file' in client(sock, 'ls', '/', *args)
    client(sock, 'stat', 'file', *args)


def null_keeps_nothing(case):
    confined(case, (), '--null', '-m', cpus()).stop_well()


def local_keeps_what_files_take(case):
    for transport in ('vhost-user', 'vfio-user'):
        case_dir = case.mkdir(transport)
        server = confined(case, LOCAL, '--local', case_dir, '-m', cpus(), '--transport', transport)
        exercise(case.path('sock'), '--transport', transport)
        check(server.process.pid, LOCAL)
        server.stop_well()
        assert 'system call' not in server.said()


def options_of_local(case):
    for args in (('--allow-direct-io',), ('--writeback', '--no-mapped-io'), ('--data-path', 'dma'),
                 ('--posix-acl', '--translate-uid', 'map:0:0:10')):
        server = confined(case, LOCAL, '--local', case.dir, *args)
        exercise(case.path('sock'), patterns=('rw', 'create-unlink'))
        server.stop_well()


def nfs_keeps_ports(case):
    need_root()
    if not shutil.which('ganesha.nfsd'):
        raise Skip('no nfs-ganesha')
    export = case.mkdir('export')
    r = subprocess.run([NFS_SERVER, 'start', export], stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Skip('no NFS server')
    nfs = dict(line.split('=', 1) for line in r.stdout.split())
    try:
        ports = f'nfsport={nfs["NFS_PORT"]},mountport={nfs["MNT_PORT"]}'
        # By name as well: what resolvers do is theirs.
        for host in ('127.0.0.1', 'localhost'):
            server = confined(case, ('net_bind_service',), '-s', host, '-e', export, '-o', ports + ',nolock', '-m',
                              cpus(), '--state-dir', case.dir)
            exercise(case.path('sock'))
            server.stop_well()
            assert 'system call' not in server.said()
    finally:
        subprocess.run([NFS_SERVER, 'stop', nfs['STATE']])


def several_kinds(case):
    conf = case.file('conf', '{"devices": [{"socket": "%s", "filesystem": {"type": "null"}}]}' % case.path('sock'))
    confined(case, LOCAL + ('net_bind_service',), '--config', conf, '--may-serve', 'local,nfs',
             sockets=[case.path('sock')]).stop_well()


def labels_take_more(case):
    confined(case, LOCAL + ('sys_admin',), '--local', case.dir, '--security-label').stop_well()


def later_labels_are_announced(case):
    """Of a device that comes by the control socket, too: each new file in it would fail."""
    label = {'type': 'local', 'dir': case.dir, 'security_label': True}
    for args in ((), ('--security-label',), ('--modcaps=+sys_admin',)):
        server, rpc = start(case, '--local', case.dir, *args)
        if args:
            rpc.call('virtio_fs_device_create', dev_name='late', filesystem=label)
        else:
            rpc.refused(-1, 'virtio_fs_device_create', '--security-label', '+sys_admin', dev_name='late',
                        filesystem=label)
        rpc.close()
        server.stop_well()


def capabilities_are_chosen(case):
    confined(case, [c for c in LOCAL if c != 'mknod'] + ['sys_admin'], '--local', case.dir,
             '--modcaps=+sys_admin:-mknod', '--modcaps', '-CAP_LEASE').stop_well()
    # Also what the start would have liked to have.
    confined(case, [c for c in LOCAL if c != 'dac_override'], '--local', case.dir,
             '--modcaps=-dac_override').stop_well()


def missing_capabilities_are_named(case):
    need_root()
    lacking = [n for n, b in CAPS.items() if not int(status_of('/proc/self')['CapPrm'], 16) & b]
    if not lacking:
        if not shutil.which('setpriv'):
            raise Skip('every capability is there')
        lacking = ['lease']
        r = subprocess.run(['setpriv', '--bounding-set', '-lease', CTL, '--null', '--socket-path', case.path('s'),
                            '--modcaps=+lease'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert r.returncode == 1 and '+lease' in r.stdout, r.stdout
        return
    r = run('--null', '--socket-path', case.path('s'), f'--modcaps=+{lacking[0]}')
    assert r.returncode == 1 and f'+{lacking[0]}' in r.stdout, r.stdout


def refused_by_name(case):
    for args, word in ((['--seccomp', 'some'], 'some'), (['--modcaps', '+chown,-no'], "'-no'"),
                       (['--modcaps', 'chown'], "'chown'"), (['--may-serve', 'null,ftp'], "'ftp'")):
        r = run('--null', '--socket-path', case.path('s'), *args)
        assert r.returncode == 1 and word in r.stdout and args[0] in r.stdout, r.stdout


def filter_is_off_when_told(case):
    confined(case, (), '--null', '--seccomp=none', filtered=False).stop_well()
    confined(case, (), '--null', '--seccomp=log').stop_well()
    confined(case, (), '--null', '--seccomp=trap').stop_well()


def sockets_in_others_directories(case):
    """Root's start may put a socket where root's remains may not write."""
    need_root()
    os.chown(case.mkdir('other'), 65534, 65534)
    os.chmod(case.path('other'), 0o700)
    server = confined(case, (), '--null', '--socket-path', case.path('other/s'), sockets=[case.path('other/s')])
    client(case.path('other/s'), 'probe')
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0, server.said()


def command_of_run_lacks_nothing(case):
    """It is not a part of us: what we give up is not for it to lack, nor does our filter end it."""
    r = run('--null', '--run', 'cat /proc/self/status; unshare --help >/dev/null; (true)')
    got = dict(line.split(':\t', 1) for line in r.stdout.splitlines() if ':\t' in line)
    mine = status_of('/proc/self')
    for which in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp'):
        assert got[which] == mine[which], (which, got[which], mine[which])
    assert r.returncode == 0, r.stdout


def command_of_run_outlives_no_failure(case):
    """The process that waits to become it ends with a start that fails."""
    r = run('--local', case.path('nowhere'), '--run', f'touch {case.path("ran")}')
    assert r.returncode == 1 and not os.path.exists(case.path('ran')), r.stdout
    found = subprocess.run(['pgrep', '-f', case.path('ran')], stdout=subprocess.PIPE, text=True).stdout.split()
    until('it is gone', lambda: not any(os.path.exists(f'/proc/{p}/fd') and os.listdir(f'/proc/{p}/fd')
                                        for p in found))


class Daemon:
    """softdpu-virtiofsd; inside is the process in the sandbox."""

    def __init__(self, case, *args):
        need_root()
        os.path.lexists(case.path(NAME)) or os.symlink(CTL, case.path(NAME))
        os.path.exists(case.path('share')) or case.mkdir('share')
        self.log = open(case.path('dlog'), 'w+')
        self.process = subprocess.Popen([case.path(NAME), '--shared-dir', case.path('share'), '--socket-path',
                                         case.path('dsock'), *args], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        case.processes.append(self.process)
        until('it serves', lambda: 'serving' in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        with open(f'/proc/{self.process.pid}/task/{self.process.pid}/children') as f:
            self.inside = int((f.read().split() or [self.process.pid])[0])

    def said(self):
        with open(self.log.name) as f:
            return f.read()


def virtiofsd_in_every_sandbox(case):
    for sandbox in ('namespace', 'chroot', 'none'):
        d = Daemon(case, '--sandbox', sandbox, '--xattr', '--modcaps=-mknod')
        until('the start is over', lambda: 'Seccomp:\t2' in open(f'/proc/{d.inside}/status').read())
        check(d.inside, [c for c in LOCAL if c != 'mknod'])
        if sandbox != 'none':
            check(d.process.pid, ('kill', 'dac_override'))
        # One connection is all there is.
        load(case.path('dsock'), 'create-unlink', '--ops', '200', '--warmup', '0')
        assert d.process.wait(30) == 0 and not os.path.exists(case.path('dsock')), d.said()


def virtiofsd_options(case):
    d = Daemon(case, '--seccomp=none', '--modcaps=+sys_admin')
    assert status_of(f'/proc/{d.inside}')['Seccomp'] == '0'
    check(d.inside, LOCAL + ('sys_admin',), filtered=False)
    d.process.send_signal(signal.SIGTERM)
    assert d.process.wait(30) == 0
    assert not os.path.exists(case.path('dsock'))


def end_by_the_filter_is_said(case):
    d = Daemon(case, '--sandbox=chroot')
    os.kill(d.inside, signal.SIGSYS)
    assert d.process.wait(30) == 128 + signal.SIGSYS
    assert '--seccomp=trap' in d.said(), d.said()
    assert not os.path.exists(case.path('dsock'))


def hosts_that_come_back(case):
    """Reconnects, resets and a host that truncates nothing: threads go on as they began."""
    server = confined(case, LOCAL, '--local', case.dir, '-m', cpus())
    for _ in range(3):
        client(case.path('sock'), 'probe')
        load(case.path('sock'), 'create-unlink', '--ops', '50', '--warmup', '0', '--queues', '2', '--events')
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(case.path('sock'))
    client(case.path('sock'), 'probe')
    check(server.process.pid, LOCAL)
    server.stop_well()


if __name__ == '__main__':
    main([null_keeps_nothing, local_keeps_what_files_take, options_of_local, nfs_keeps_ports, several_kinds,
          labels_take_more, later_labels_are_announced, capabilities_are_chosen,
          missing_capabilities_are_named, refused_by_name, filter_is_off_when_told, sockets_in_others_directories, command_of_run_lacks_nothing,
          command_of_run_outlives_no_failure, virtiofsd_in_every_sandbox, virtiofsd_options,
          end_by_the_filter_is_said, hosts_that_come_back])
