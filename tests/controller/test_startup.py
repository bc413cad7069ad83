#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Starting doca_virtiofs: what is refused, with which words; options from everywhere; captive mode."""
import json
import os
import resource
import signal
import socket
import subprocess
import time

from ctl import CTL, Skip, client, main, run, until


def refused(case, args, *words):
    """Exit status 1 and a message that names the thing and the value; nothing is left behind."""
    r = run(*args)
    assert r.returncode == 1, f'{args}: status {r.returncode}: {r.stdout}'
    for w in words:
        assert w in r.stdout, f'{args}: no {w!r} in: {r.stdout}'
    assert 'Sanitizer' not in r.stdout, r.stdout


def bad_values_are_named(case):
    local = ['--local', case.dir, '--socket-path', case.path('s')]
    for args, *words in (
            (['-m', 'zz'], 'mask', 'zz'),
            (['-m', '0'], 'mask', "'0'"),
            (['-m', '1' + '0' * 60], 'CPU 240'),
            (['-q', '0'], 'queues', ' 0'),
            (['-q', '-3'], 'queues', '-3'),
            (['-q', '255'], 'queues', '255'),
            (['-q', 'many'], 'many'),
            (['--queue-size', '100'], 'queue size', '100'),
            (['--queue-size', '0'], 'queue size', ' 0'),
            (['--tag', 'x' * 21], 'tag', 'x' * 21),
            (['--cache', 'sometimes'], 'sometimes'),
            (['--data-path', 'rdma'], 'rdma'),
            (['--wrap', 'stats'], 'stats'),
            (['--wrap', 'delay=soon'], 'soon'),
            (['--null'], '--null', '--local'),
            (['--colour'], '--colour'),
            (['--config', '/f'], '--config', '--socket-path'),
            (['-j', case.path('none')], case.path('none'))):
        refused(case, local + args, *words)
    refused(case, ['--config', case.path('none')], case.path('none'))
    assert os.listdir(case.dir) == []


def bad_places_are_named(case):
    case.file('file')
    sock = ['--socket-path', case.path('s')]
    refused(case, ['--local', case.path('missing'), *sock], case.path('missing'), 'No such file')
    refused(case, ['--local', case.path('file'), *sock], case.path('file'), 'Not a directory')
    refused(case, ['--null', '--socket-path', case.path('no/s')], case.path('no'), 'No such file')
    refused(case, ['--null', '--socket-path', case.path('file')], case.path('file'))
    assert os.path.exists(case.path('file'))
    refused(case, ['--null', '--socket-path', case.path('l' * 100)], 'l' * 100)


def without_proc(case):
    """Which the local file system needs for every open file."""
    if os.geteuid():
        raise Skip('needs root')
    r = subprocess.run(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc/$$/fd && exec "$@"', 'sh', CTL, '--local',
                        case.dir, '--socket-path', case.path('s')], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=30)
    if 'mount:' in r.stdout or 'unshare' in r.stdout:
        raise Skip('no name spaces')
    assert r.returncode == 1 and case.dir in r.stdout and '/proc' in r.stdout, r.stdout


def too_few_descriptors(case):
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
    r = run('--local', case.dir, '--socket-path', case.path('s'), preexec_fn=few)
    assert r.returncode == 1 and 'RLIMIT_NOFILE is 20' in r.stdout, r.stdout


def socket_in_use_is_left_alone(case):
    first = case.server('--null')
    refused(case, ['--null', '--socket-path', case.path('sock')], case.path('sock'), 'in use')
    client(case.path('sock'), 'probe')
    first.stop_well()


def stale_socket_is_replaced(case):
    first = case.server('--null')
    first.process.kill()
    first.process.wait()
    assert os.path.exists(case.path('sock'))
    second = case.server('--null')
    client(case.path('sock'), 'probe')
    second.stop_well()


def one_bad_device_stops_all(case):
    """The first device is up and listening already when the second cannot be started."""
    conf = case.file('conf', json.dumps({'devices': [
        {'tag': 'good', 'socket': case.path('a'), 'filesystem': {'type': 'null'}},
        {'tag': 'bad', 'socket': case.path('b'),
         'filesystem': {'type': 'local', 'dir': case.path('missing')}}]}))
    refused(case, ['--config', conf, '-m', '0x3' if os.cpu_count() > 1 else '1'],
            'bad', case.path('missing'))
    assert sorted(os.listdir(case.dir)) == ['conf']


def unreachable_nfs_server_is_named(case):
    """Nobody listens on port 1 of this machine."""
    refused(case, ['-s', '127.0.0.1', '-e', '/export', '-o', 'nfsport=1,mountport=1',
                   '--socket-path', case.path('s')], '127.0.0.1')


def refused_export_is_named(case):
    here = os.path.dirname(os.path.abspath(__file__))
    helper = os.path.join(here, '..', 'guest', 'nfs-server')
    if not os.path.exists('/usr/bin/ganesha.nfsd') or os.geteuid():
        raise Skip('needs nfs-ganesha and root')
    r = subprocess.run(['bash', helper, 'start', case.mkdir('export')], stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Skip('nfs-ganesha does not start here')
    server = dict(line.split('=', 1) for line in r.stdout.split())
    try:
        ports = f'nfsport={server["NFS_PORT"]},mountport={server["MNT_PORT"]}'
        refused(case, ['-s', '127.0.0.1', '-e', '/no/such/export', '-o', ports,
                       '--socket-path', case.path('s')], '/no/such/export')
    finally:
        subprocess.run(['bash', helper, 'stop', server['STATE']], stdout=subprocess.DEVNULL)


def json_flags(case):
    """-j gives the options by their long names; the command line wins."""
    flags = case.file('flags', json.dumps({'doca_program_flags': {
        'null': True, 'tag': 'fromjson', 'num-request-queues': 3, 'queue-size': 64,
        'core-mask': '0x1', 'socket-path': case.path('sock')}}))
    server = case.server('-j', flags, '--queue-size', '128', sockets=[case.path('sock')])
    out = client(case.path('sock'), 'probe').decode()
    assert 'fromjson' in out, out
    assert '3 request queues of 128' in server.said(), server.said()
    server.stop_well()


def null_nfs_environment(case):
    """The seed's test mode: no server is named, none is needed."""
    server = case.server(env={'DOCA_VIRTIOFS_USE_NULL_NFS_FSDEV': '1'})
    assert 'serving null' in server.said()
    client(case.path('sock'), 'probe')
    server.stop_well()


def captive_status_is_the_command_s(case):
    for command, status in (('true', 0), ('exit 7', 7), ('kill -9 $$', 137), ('no-such-command-x', 127)):
        r = run('--null', '--run', command)
        assert r.returncode == status, f'{command}: {r.returncode}: {r.stdout}'
    r = run('--null', '--run', 'test -S "$SOCKET" && test "$SOCKET" = "$SOCKET_0" && echo "$SOCKET"')
    assert r.returncode == 0, r.stdout
    path = [line for line in r.stdout.splitlines() if line.startswith('/')][0]
    assert not os.path.exists(os.path.dirname(path)), path


def captive_command_has_our_input(case):
    r = subprocess.run([CTL, '--null', '--run', 'cat >&2'], input='hello\n', stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, timeout=30)
    assert r.returncode == 0 and 'hello' in r.stdout, r.stdout


def captive_devices_get_sockets(case):
    conf = case.file('conf', json.dumps({'devices': [
        {'tag': 'one', 'filesystem': {'type': 'null'}},
        {'tag': 'two', 'filesystem': {'type': 'null'}}]}))
    r = run('--config', conf, '--run',
            'test -S "$SOCKET_0" && test -S "$SOCKET_1" && test "$SOCKET_0" != "$SOCKET_1"')
    assert r.returncode == 0, r.stdout


def captive_command_ends_with_us(case):
    """Also its children, and when it does not want to."""
    marker = case.path('pid')
    server = case.server('--null', '--run', f'trap "" TERM; sleep 1000 & echo $! >{marker}; wait; wait')
    until('the command runs', lambda: os.path.exists(marker) and open(marker).read().strip())
    child = int(open(marker).read())
    begin = time.monotonic()
    server.stop_well()
    assert time.monotonic() - begin < 20
    until('its child is gone', lambda: not os.path.exists(f'/proc/{child}') or
          open(f'/proc/{child}/stat').read().split()[2] == 'Z')


def signal_while_starting(case):
    """A server that accepts and never answers must not make Ctrl-C useless."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen(8)
        port = s.getsockname()[1]
        server = case.server('-s', '127.0.0.1', '-e', '/x', '-o', f'nfsport={port},mountport={port}',
                             wait=False)
        until('it tries to mount', lambda: accepted(s))
        server.process.send_signal(signal.SIGINT)
        status = server.process.wait(10)
        assert status in (1, 130), f'{status}: {server.said()}'
    assert not os.path.exists(case.path('sock'))


def accepted(s):
    s.settimeout(10)
    keep.append(s.accept()[0])
    return True


keep = []  # connections that stay open, unanswered

if __name__ == '__main__':
    main([bad_values_are_named, bad_places_are_named, without_proc, too_few_descriptors, socket_in_use_is_left_alone,
          stale_socket_is_replaced, one_bad_device_stops_all, unreachable_nfs_server_is_named,
          refused_export_is_named, json_flags, null_nfs_environment,
          captive_status_is_the_command_s, captive_command_has_our_input,
          captive_devices_get_sockets, captive_command_ends_with_us, signal_while_starting])
