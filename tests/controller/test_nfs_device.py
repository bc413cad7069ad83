#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""doca_virtiofs and an NFS server: what the log and the statistics say, and that a server which says nothing
keeps nobody else waiting.

usage: test_nfs_device.py DOCA_VIRTIOFS VFSLOAD [CASE...]
"""
import json
import os
import re
import socket
import time

from ctl import PATIENCE, client, load, main, until
from nfsd import Nfsd
from test_rpc import Rpc, start


class Mute:
    """Accepts connections and never answers."""

    def __enter__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.socket.settimeout(PATIENCE)
        port = self.socket.getsockname()[1]
        self.filesystem = {'type': 'nfs', 'server': '127.0.0.1', 'export': '/x',
                           'options': f'port={port},mountport={port}'}
        return self

    def take(self):
        self.taken = self.socket.accept()[0]

    def __exit__(self, *exc):
        self.socket.close()


def start_both(case):
    """A server of one null device that may get NFS ones: they are its default."""
    conf = case.file('conf', json.dumps({'devices': [{'tag': 'null', 'socket': case.path('sock'),
                                                      'num_request_queues': 2, 'filesystem': {'type': 'null'}}]}))
    return start(case, '--config', conf, '-s', '127.0.0.1', '-e', '/x', sockets=[case.path('sock')])


def begin_start(case, rpc, mute):
    """A device whose start waits for the mute server; the connection on which the answer will come."""
    vuid = rpc.call('virtio_fs_doca_function_create', manager='mlx5_0')
    rpc.call('virtio_fs_device_create', dev_name='late', num_request_queues=2, vuid=vuid,
             filesystem=mute.filesystem)
    waiting = Rpc(case.path('rpc'))
    waiting.send({'jsonrpc': '2.0', 'id': 1, 'method': 'virtio_fs_device_start',
                  'params': {'dev_name': 'late'}})
    mute.take()
    return waiting


def a_start_keeps_nobody_waiting(case):
    """The control socket, other devices: all as ever while a file system is being mounted."""
    server, rpc = start_both(case)
    with Mute() as mute:
        waiting = begin_start(case, rpc, mute)
        begun = time.monotonic()
        assert rpc.call('log_get_level') == 'INFO'
        assert rpc.device('late')['state'] == 'starting'
        for method in ('start', 'destroy', 'modify'):
            rpc.refused(-16, f'virtio_fs_device_{method}', 'being started', dev_name='late')
        rpc.refused(-22, 'virtio_fs_device_stop', 'not started', dev_name='late')
        load(case.path('sock'), 'getattr', '--ops', '100')
        assert rpc.call('virtio_fs_device_get_stat')
        early = time.monotonic() - begun < 8  # a mount is given up after 10 s
        mute.taken.close()
        mute.socket.close()
        answer = waiting.receive()
        assert answer['error']['code'] < 0 and '127.0.0.1' in answer['error']['message'], answer
        assert early, 'everything waited for the mount'
    assert rpc.device('late')['state'] == 'stopped'
    rpc.call('virtio_fs_device_destroy', dev_name='late')
    server.stop_well()


def a_signal_does_not_wait_for_a_start(case):
    server, rpc = start_both(case)
    with Mute() as mute:
        begin_start(case, rpc, mute)
        begun = time.monotonic()
        assert server.stop() == 0, server.said()
        assert time.monotonic() - begun < 9, 'it waited for the mount to be given up'


def a_caller_that_hangs_up_costs_nothing(case):
    server, rpc = start_both(case)
    with Mute() as mute:
        begin_start(case, rpc, mute).close()
        mute.taken.close()
        mute.socket.close()
        until('it is given up', lambda: rpc.device('late')['state'] == 'stopped')
    server.stop_well()


def silence_is_told_as_linux_tells_it(case):
    """Once that the server is not responding, once that it is there again; nobody gets an error."""
    with Nfsd(case) as nfsd:
        server = case.server('-s', f'{nfsd.url}&timeo=5')
        load(case.path('sock'), 'getattr', '--ops', '10')
        nfsd.freeze()
        loader = case.load(case.path('sock'), '--pattern', 'getattr', '--ops', '20')
        until('the log says so', lambda: 'not responding' in server.said())
        time.sleep(2)
        nfsd.thaw()
        assert loader.wait(PATIENCE) == 0, loader.stdout.read()
        told = re.findall(r'nfs: server 127\.0\.0\.1 (not responding, still trying|OK)$', server.said(), re.M)
        # On a busy machine it may be slow again later.
        assert told[0] != 'OK' and told[-1] == 'OK', server.said()
        assert all(a != b for a, b in zip(told, told[1:])), server.said()
        server.stop_well()


def soft_gives_up(case):
    with Nfsd(case) as nfsd:
        server = case.server('-s', f'{nfsd.url}&timeo=2&retrans=1&soft')
        nfsd.freeze()
        status, _, _ = client(case.path('sock'), 'stat', '/', status=None)
        assert status != 0
        until('the log says so', lambda: 'nfs: server 127.0.0.1 not responding, timed out' in server.said())
        nfsd.thaw()
        server.stop_well()


def statistics_have_what_mountstats_has(case):
    with Nfsd(case) as nfsd:
        server, rpc = start(case, '-s', nfsd.url)
        load(case.path('sock'), 'seqwrite', '--ops', '8', '--bs', '64k', '--depth', '4',
             '--file-size', '1m')
        stat = rpc.call('virtio_fs_device_get_stat')[0]['file_system']
        for object_, counters in (('transport', ('connects', 'connections_lost', 'jukebox', 'unknown_xids')),
                                  ('WRITE', ('ops', 'transmissions', 'timeouts', 'errors', 'bytes_sent',
                                             'bytes_received', 'queue_ns', 'rtt_ns', 'execute_ns'))):
            assert all(c in stat[object_] for c in counters), (object_, stat)
        write = stat['WRITE']
        assert write['ops'] >= 8 and write['bytes_sent'] > 8 * 65536 and write['errors'] == 0, write
        assert write['rtt_ns'] <= write['execute_ns'], write
        server.stop_well()


def a_state_directory_that_is_none_is_named(case):
    with Nfsd(case) as nfsd:
        server = case.server('-s', nfsd.url, '--state-dir', case.path('none'), wait=False)
        assert server.process.wait(PATIENCE) == 1
        assert case.path('none') in server.said() and 'No such file' in server.said(), server.said()
        assert not os.path.exists(case.path('sock'))


if __name__ == '__main__':
    main([a_start_keeps_nobody_waiting, a_signal_does_not_wait_for_a_start,
          a_caller_that_hangs_up_costs_nothing, silence_is_told_as_linux_tells_it, soft_gives_up,
          statistics_have_what_mountstats_has, a_state_directory_that_is_none_is_named])
