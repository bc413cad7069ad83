#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""doca_virtiofs while it serves: signals, front ends that come and go, several devices, data paths."""
import json
import os
import re
import resource
import signal
import subprocess
import time

from ctl import MIB, PATIENCE, Skip, client, load, main, until


def signals_end_it_in_order(case):
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        case.server('--null').stop_well(sig)
    assert [f for f in os.listdir(case.dir) if 'sock' in f] == []


def nohup_is_respected(case):
    server = case.server('--null', preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    server.process.send_signal(signal.SIGHUP)
    client(case.path('sock'), 'probe')
    server.stop_well()


def limit_of_file_size(case):
    """A guest that writes beyond ours gets an error; the kernel's SIGXFSZ would end the process."""
    limit = (MIB, resource.RLIM_INFINITY)
    server = case.server('--local', case.mkdir('share'),
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    status, _, said = client(case.path('sock'), 'put', 'f', data=b'x' * 2 * MIB, status=None)
    assert status == 1 and 'too large' in said, said
    assert server.alive(), server.said()
    assert os.path.getsize(case.path('share', 'f')) == MIB
    server.stop_well()


def signals_while_requests_are_held(case):
    """The wrapper holds requests for a second: the end waits for them, and they are answered."""
    server = case.server('--null', '--wrap', 'delay=1s')
    loader = case.load(case.path('sock'), '--pattern', 'getattr', '--depth', '8', '--ops', '8')
    time.sleep(1.5)
    begin = time.monotonic()
    server.stop_well()
    assert time.monotonic() - begin < 4, 'it waited for more than the requests it had'
    loader.kill()


def second_signal_ends_it_at_once(case):
    """And a request that takes longer than anybody waits does not keep the process."""
    server = case.server('--null', '--wrap', 'delay=60s')
    loader = case.load(case.path('sock'), '--pattern', 'getattr', '--depth', '2', '--ops', '2')
    time.sleep(1)
    server.process.send_signal(signal.SIGINT)
    until('the ordered end began', lambda: 'stopping' in server.said())
    time.sleep(0.3)
    assert server.alive(), server.said()
    begin = time.monotonic()
    assert server.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert time.monotonic() - begin < 2
    loader.kill()


def held_requests_delay_the_end_for_so_long(case):
    server = case.server('--null', '--wrap', 'delay=60s')
    loader = case.load(case.path('sock'), '--pattern', 'getattr', '--depth', '2', '--ops', '2')
    time.sleep(1)
    begin = time.monotonic()
    assert server.stop() == 0
    assert 4 < time.monotonic() - begin < 10
    assert 'still out' in server.said()
    loader.kill()


def front_end_killed_under_load(case):
    """20 times, at random moments; the next one is served each time, and no request is lost by us."""
    server = case.server('--null', '-m', '0x3' if os.cpu_count() > 1 else '0x1', '--wrap', 'delay=1ms')
    for i in range(20):
        loader = case.load(case.path('sock'), '--pattern', 'rw', '--depth', '64', '--queues', '2',
                           '--runtime', '30')
        time.sleep(0.02 + 0.01 * (i % 7))
        loader.kill()
        loader.wait()
        assert server.alive(), server.said()
    load(case.path('sock'), 'randread', '--ops', '2000')
    server.stop_well()


def ends_while_a_reset_drains(case):
    """The front end goes away with requests held, which starts a reset; then we are asked to end."""
    for pause in (0, 0.05, 0.3):
        server = case.server('--null', '-m', '0x3' if os.cpu_count() > 1 else '0x1', '--wrap',
                             'delay=700ms')
        loader = case.load(case.path('sock'), '--pattern', 'getattr', '--depth', '32', '--queues', '2',
                           '--ops', '64')
        time.sleep(1)
        loader.kill()
        loader.wait()
        time.sleep(pause)
        begin = time.monotonic()
        server.stop_well()
        assert time.monotonic() - begin < 4, 'the reset kept it'


def as_many_devices_as_allowed(case):
    devices = [{'tag': f't{i}', 'socket': case.path(f's{i}'), 'num_request_queues': 1,
                'filesystem': {'type': 'null'}} for i in range(64)]
    conf = case.file('conf', json.dumps({'devices': devices}))
    server = case.server('--config', conf, sockets=[d['socket'] for d in devices])
    for i in (0, 31, 63):
        assert f't{i}' in client(case.path(f's{i}'), 'probe').decode()
    server.stop_well()


def idle_costs_nothing(case):
    server = case.server('--null', '-m', '0x3' if os.cpu_count() > 1 else '0x1')
    load(case.path('sock'), 'randread', '--ops', '1000')

    def idle_for_two_seconds():
        before = server.cpu_ticks()
        time.sleep(2)
        return server.cpu_ticks() - before <= 1
    until('two seconds with at most one tick', idle_for_two_seconds, 10)
    server.stop_well()


def devices_of_one_file(case):
    """Three at once, each its own tag, queues and files; one that is broken by its front end costs no other."""
    for d in 'ab':
        case.mkdir(d)
    conf = case.file('conf', json.dumps({'devices': [
        {'tag': 'aaa', 'socket': case.path('sa'), 'num_request_queues': 2,
         'filesystem': {'type': 'local', 'dir': case.path('a')}},
        {'tag': 'bbb', 'socket': case.path('sb'), 'queue_size': 1024,
         'filesystem': {'type': 'local', 'dir': case.path('b')}},
        {'tag': 'ccc', 'socket': case.path('sc'), 'filesystem': {'type': 'null'},
         'wrap': ['error=10']}]}))
    server = case.server('--config', conf, '-m', '0x3' if os.cpu_count() > 1 else '0x1',
                         sockets=[case.path('s' + d) for d in 'abc'])
    until('all three serve', lambda: server.said().count('serving') == 3)
    for d in 'abc':
        assert d * 3 in client(case.path('s' + d), 'probe').decode()
    loader = case.load(case.path('sc'), '--pattern', 'randread', '--runtime', '30')
    client(case.path('sa'), 'put', 'f', data=b'of a')
    client(case.path('sb'), 'put', 'f', data=b'of b')
    loader.kill()
    loader.wait()
    assert client(case.path('sa'), 'cat', 'f') == b'of a'
    assert client(case.path('sb'), 'cat', 'f') == b'of b'
    assert open(case.path('a', 'f'), 'rb').read() == b'of a'
    server.stop_well()


def every_error_is_one_answer(case):
    """A share of the requests is refused, all of them are held for a while: each gets one answer. The client
    counts as many as it sent, and the server has none left when it ends."""
    server = case.server('--null', '--wrap', 'delay=1ms,error=100')
    loader = case.load(case.path('sock'), '--pattern', 'randread', '--depth', '64', '--ops', '6400',
                       '--file-size', '1m')
    out = loader.communicate(timeout=60)[0].decode()
    refused = int(re.search(r'errors: (\d+), first: READ: Input/output error', out).group(1))
    assert 63 <= refused <= 65, out
    begin = time.monotonic()
    server.stop_well()
    assert time.monotonic() - begin < 4, 'a request was lost'


def errors_between_steps_lose_nothing(case):
    """The same through a file system with nodes and handles to lose."""
    server = case.server('--local', case.mkdir('d'), '--wrap', 'error=400,delay=1ms', '--data-path', 'dma')
    loader = case.load(case.path('sock'), '--pattern', 'create-unlink', '--depth', '32', '--ops', '1000')
    out = loader.communicate(timeout=60)[0].decode()
    assert 'Input/output error' in out and server.alive(), out
    begin = time.monotonic()
    server.stop_well()
    assert time.monotonic() - begin < 4, 'a request was lost'


def data_paths_carry_every_byte(case):
    """Sizes around the classes of bounce buffers, and segments as small as pages."""
    for path in ('direct', 'dma'):
        server = case.server('--local', case.mkdir(path), '--data-path', path, '-m',
                             '0x3' if os.cpu_count() > 1 else '0x1')
        for bs, more in (('512', []), ('4k', ['--queues', '2', '--threads', '2']), ('8k', []),
                         ('8200', []), ('128k', ['--seg-size', '4k']), ('132k', []),
                         ('1m', ['--seg-size', '4k']), ('1m', [])):
            load(case.path('sock'), 'rw', '--bs', bs, '--verify', '--depth', '8', '--ops', '300',
                 '--file-size', '16m', *more)
        data = os.urandom(3 * MIB + 17)
        client(case.path('sock'), 'put', 'f', data=data)
        assert open(case.path(path, 'f'), 'rb').read() == data
        assert client(case.path('sock'), 'cat', 'f') == data
        server.stop_well()


def many_wait_for_few_buffers(case):
    """More 1 MiB requests at once than the dma path has buffers for: they take turns."""
    server = case.server('--null', '--data-path', 'dma')
    load(case.path('sock'), 'rw', '--bs', '1m', '--depth', '100', '--file-size', '256m', '--ops', '1000')
    server.stop_well()


def one_that_waits_keeps_its_own_buffers(case):
    """A device whose file system does not answer has all the buffers it gets, and requests that wait for
    more; the other one on the same thread does not notice."""
    conf = case.file('conf', json.dumps({'devices': [
        {'tag': 'slow', 'socket': case.path('sa'), 'wrap': ['log', 'delay=200ms']},
        {'tag': 'fast', 'socket': case.path('sb')}]}))
    server = case.server('--null', '--config', conf, '--data-path', 'dma',
                         sockets=[case.path('sa'), case.path('sb')])

    def duration():
        begin = time.monotonic()
        load(case.path('sb'), 'randread', '--depth', '1', '--ops', '300', '--file-size', '64k')
        return time.monotonic() - begin

    alone = duration()
    loader = case.load(case.path('sa'), '--pattern', 'randread', '--bs', '128k', '--depth', '250',
                       '--file-size', '32m', '--runtime', '600')
    until('requests are out and wait', lambda: server.said().count(' READ ') > 200, 4 * PATIENCE)
    assert duration() < 3 * alone + 5, 'it waited for buffers of another'
    assert loader.poll() is None, loader.communicate()
    loader.kill()
    loader.wait()
    server.stop_well()


def large_directories_both_ways(case):
    names = {f'{"n" * (i % 200)}{i}' for i in range(3000)}
    d = case.mkdir('d')
    for n in names:
        open(os.path.join(d, n), 'w').close()
    for path in ('direct', 'dma'):
        server = case.server('--local', d, '--data-path', path)
        listed = client(case.path('sock'), 'ls', '/').decode().split()
        assert names <= {w for w in listed}, f'{len(listed)} listed'
        server.stop_well()


def readonly_device(case):
    d = case.mkdir('d')
    case.file('d/f', 'content')
    server = case.server('--local', d, '--readonly')
    assert client(case.path('sock'), 'cat', 'f') == b'content'
    status, _, said = client(case.path('sock'), 'put', 'f', data=b'x', status=None)
    assert status and 'ead-only' in said, said
    status, _, said = client(case.path('sock'), 'put', 'new', data=b'x', status=None)
    assert status and 'ead-only' in said, said
    assert open(case.path('d/f')).read() == 'content' and os.listdir(d) == ['f']
    server.stop_well()


def full_disk(case):
    """ENOSPC reaches the client; with room again everything goes on."""
    d = case.mkdir('d')
    if os.geteuid() or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', d],
                                      stderr=subprocess.DEVNULL).returncode:
        raise Skip('cannot mount a tmpfs')
    try:
        server = case.server('--local', d)
        status, _, said = client(case.path('sock'), 'put', 'big', data=bytes(4 * MIB), status=None)
        assert status and 'o space' in said, f'{status} {said}'
        assert server.alive()
        os.unlink(case.path('d/big'))
        client(case.path('sock'), 'put', 'small', data=b'fits')
        assert client(case.path('sock'), 'cat', 'small') == b'fits'
        server.stop_well()
    finally:
        subprocess.run(['umount', d], check=True)


def log_names_requests(case):
    server = case.server('--null', '--wrap', 'log')
    client(case.path('sock'), 'put', 'some\nname', data=b'x', status=None)
    server.stop_well()
    assert re.search(r'> [0-9a-f]+ CREATE node 1 "some\?name"', server.said()), server.said()
    assert re.search(r'< [0-9a-f]+ WRITE 0 after \d+ us', server.said()), server.said()


if __name__ == '__main__':
    main([signals_end_it_in_order, nohup_is_respected, limit_of_file_size, signals_while_requests_are_held,
          second_signal_ends_it_at_once, held_requests_delay_the_end_for_so_long,
          front_end_killed_under_load, ends_while_a_reset_drains, idle_costs_nothing, devices_of_one_file,
          as_many_devices_as_allowed,
          every_error_is_one_answer, errors_between_steps_lose_nothing, data_paths_carry_every_byte, many_wait_for_few_buffers,
          one_that_waits_keeps_its_own_buffers,
          large_directories_both_ways, readonly_device, full_disk, log_names_requests])
