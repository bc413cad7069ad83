#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control socket: the protocol, devices and functions that come and go, statistics, and QMP against a
QEMU made of Python.

usage: test_rpc.py DOCA_VIRTIOFS VFSLOAD [CASE...]
"""
import json
import os
import re
import socket
import stat
import threading
import time

from ctl import PATIENCE, answers, client, main, run, until


class Rpc:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(3 * PATIENCE)
        self.socket.connect(path)
        self.buffer = b''
        self.id = 0

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode())

    def receive(self):
        """The next object; None at the end of the connection."""
        decoder = json.JSONDecoder()
        while True:
            try:
                answer, end = decoder.raw_decode(self.buffer.decode())
                self.buffer = self.buffer[end:]
                return answer
            except ValueError:
                data = self.socket.recv(65536)
                if not data:
                    return None
                self.buffer += data

    def ask(self, method, **params):
        self.id += 1
        self.send({'jsonrpc': '2.0', 'id': self.id, 'method': method, 'params': params})
        answer = self.receive()
        assert answer['id'] == self.id and answer['jsonrpc'] == '2.0', answer
        return answer

    def call(self, method, **params):
        answer = self.ask(method, **params)
        assert 'error' not in answer, f'{method} {params}: {answer}'
        return answer['result']

    def refused(self, code, method, *words, **params):
        answer = self.ask(method, **params)
        assert answer.get('error', {}).get('code') == code, f'{method} {params}: {answer}'
        for w in words:
            assert w in answer['error']['message'], f'{method} {params}: no {w!r} in {answer}'

    def device(self, name):
        return self.call('virtio_fs_get_devices', dev_name=name)[0]

    def close(self):
        self.socket.close()


def talks(path):
    try:
        return Rpc(path).call('log_get_level')
    except (ConnectionError, BlockingIOError, TypeError):
        return False  # hung up on: no room


def start(case, *args, **kw):
    """A server with a control socket and a state directory of its own."""
    env = {'SOFTDPU_STATE_DIR': case.path('state'), 'XDG_RUNTIME_DIR': case.dir, **kw.pop('env', {})}
    server = case.server(*args, '--rpc-socket', case.path('rpc'), '-q', '2', env=env, **kw)
    return server, Rpc(case.path('rpc'))


# ---- protocol ----

def methods_are_discoverable(case):
    server, rpc = start(case, '--null')
    assert stat.S_IMODE(os.stat(case.path('rpc')).st_mode) == 0o600
    names = rpc.call('rpc_get_methods')
    assert {'virtio_fs_get_devices', 'virtio_fs_device_create', 'virtio_fs_device_get_stat',
            'virtio_fs_doca_device_hotplug', 'framework_get_version'} <= set(names), names
    shown = rpc.call('rpc_get_methods', verbose=True)
    assert [m['name'] for m in shown] == names and all(m['description'] for m in shown)
    assert rpc.call('framework_get_version')['version'].startswith('softdpu ')
    assert rpc.call('log_get_level') == 'INFO'
    rpc.call('log_set_level', level='debug')
    assert rpc.call('log_get_level') == 'DEBUG'
    rpc.refused(-32602, 'log_set_level', 'loud', level='loud')
    assert rpc.call('virtio_fs_get_transports')[0]['managers'] == [{'name': 'mlx5_0'}]
    server.stop_well()
    assert not os.path.exists(case.path('rpc'))


def requests_are_checked(case):
    server, rpc = start(case, '--null')
    rpc.refused(-32601, 'no_such_method')
    rpc.refused(-32602, 'log_set_level', 'level')
    rpc.refused(-32602, 'log_set_level', 'string', level=5)
    rpc.refused(-32602, 'log_get_level', 'colour', colour=1)
    for bad in (b'[]', b'{}', b'{"jsonrpc": "1.0", "id": 1, "method": "log_get_level"}',
                b'{"jsonrpc": "2.0", "id": 1, "method": 5}', b'{"jsonrpc": "2.0", "id": {}, "method": "x"}'):
        rpc.send(bad)
        answer = rpc.receive()
        assert answer['error']['code'] == -32600 and answer['id'] is None, (bad, answer)
    rpc.send({'jsonrpc': '2.0', 'id': 7, 'method': 'log_get_level', 'params': [1]})
    assert rpc.receive()['error']['code'] == -32602
    # A notification is carried out and not answered; several requests may come at once.
    one = {'jsonrpc': '2.0', 'method': 'log_set_level', 'params': {'level': 'ERROR'}}
    rpc.send(json.dumps(one).encode() + b'\n' +
             json.dumps({'jsonrpc': '2.0', 'id': 'a', 'method': 'log_get_level'}).encode())
    assert rpc.receive() == {'jsonrpc': '2.0', 'id': 'a', 'result': 'ERROR'}
    # A byte at a time.
    for byte in json.dumps({'jsonrpc': '2.0', 'id': 9, 'method': 'log_get_level'}).encode():
        rpc.send(bytes([byte]))
    assert rpc.receive()['id'] == 9
    server.stop_well()


def garbage_ends_the_connection(case):
    server, rpc = start(case, '--null')
    for bad in (b'}', b'hello', b'{"a": nope}', b'[' * 50, b'{"a": "' + b'x' * 70000):
        hostile = Rpc(case.path('rpc'))
        try:
            hostile.send(bad)
            answer = hostile.receive()
            assert answer['error']['code'] == -32700, (bad[:20], answer)
            assert hostile.receive() is None
        except ConnectionError:
            pass  # it hung up while we were still talking
        hostile.close()
    # Who neither reads nor goes away, and more of them than there is room for.
    idle = []
    for _ in range(40):
        try:
            idle.append(Rpc(case.path('rpc')))
            idle[-1].send(json.dumps({'jsonrpc': '2.0', 'id': 1, 'method': 'rpc_get_methods'}).encode() * 200)
        except (ConnectionError, BlockingIOError):
            pass  # hung up on, or the queue of connections is full
    assert rpc.call('log_get_level')
    client(case.path('sock'), 'probe')
    for i in idle:
        i.close()
    until('there is room again', lambda: talks(case.path('rpc')))
    server.stop_well()


def sockets_are_found_or_refused(case):
    server, rpc = start(case, '--null')
    r = run('--null', '--socket-path', case.path('other'), '--rpc-socket', case.path('rpc'))
    assert r.returncode == 1 and case.path('rpc') in r.stdout and 'in use' in r.stdout, r.stdout
    server.process.kill()
    server.process.wait()
    server, rpc = start(case, '--null')  # the stale one is replaced
    assert rpc.call('log_get_level')
    server.stop_well()
    # By default in the run directory, by process.
    server = case.server('--null', env={'XDG_RUNTIME_DIR': case.dir})
    path = case.path('softdpu', f'rpc-{server.process.pid}.sock')
    assert Rpc(path).call('log_get_level') == 'INFO'
    server.stop_well()
    assert not os.path.exists(path)
    server = case.server('--null', env={'XDG_RUNTIME_DIR': case.dir})
    server.process.kill()
    server.process.wait()
    server = case.server('--null', env={'XDG_RUNTIME_DIR': case.dir})  # takes what was left away
    left = [f for f in os.listdir(case.path('softdpu')) if f.startswith('rpc')]
    assert left == [f'rpc-{server.process.pid}.sock'], left
    server.stop_well()
    server = case.server('--null', '--rpc-socket', 'none', env={'XDG_RUNTIME_DIR': case.dir})
    assert not [f for f in os.listdir(case.path('softdpu')) if f.startswith('rpc')]
    server.stop_well()


# ---- devices ----

def devices_stop_and_start(case):
    server, rpc = start(case, '--null')
    dev = rpc.device('vfsdev0')
    assert (dev['state'], dev['tag'], dev['fsdev']) == ('running', 'docavirtiofs', 'null'), dev
    assert (dev['socket'], dev['hotplug_state']) == (case.path('sock'), 'POWER_ON'), dev
    rpc.refused(-16, 'virtio_fs_device_modify', 'started', dev_name='vfsdev0', tag='x')
    rpc.call('virtio_fs_device_stop', dev_name='vfsdev0')
    assert rpc.device('vfsdev0')['state'] == 'stopped' and not os.path.exists(case.path('sock'))
    rpc.refused(-22, 'virtio_fs_device_stop', dev_name='vfsdev0')
    rpc.refused(-22, 'virtio_fs_device_modify', 'tag', dev_name='vfsdev0', tag='x' * 21)
    rpc.refused(-22, 'virtio_fs_device_modify', '100', dev_name='vfsdev0', queue_size=100)
    assert rpc.device('vfsdev0')['tag'] == 'docavirtiofs'
    rpc.call('virtio_fs_device_modify', dev_name='vfsdev0', tag='new', num_request_queues=3)
    rpc.call('virtio_fs_device_start', dev_name='vfsdev0')
    assert 'new' in client(case.path('sock'), 'probe').decode()
    assert rpc.device('vfsdev0')['num_request_queues'] == 3
    rpc.refused(-16, 'virtio_fs_device_start', dev_name='vfsdev0')
    rpc.refused(-19, 'virtio_fs_device_start', 'nobody', dev_name='nobody')
    server.stop_well()


def statistics_count(case):
    server, rpc = start(case, '--local', case.mkdir('share'))
    sock = case.path('sock')
    client(sock, 'put', 'file', data=b'x' * 5000)
    client(sock, 'cat', 'file')
    client(sock, 'cat', 'missing', status=1)
    rpc.call('virtio_fs_set_latency', exact=True)
    client(sock, 'cat', 'file')
    stat = rpc.call('virtio_fs_device_get_stat', dev_name='vfsdev0')[0]
    ops = {o['opcode']: o for o in stat['opcodes']}
    assert ops['WRITE']['bytes'] == 5000 and ops['READ']['bytes'] == 10000, ops
    assert ops['LOOKUP']['errors'] >= 1 and ops['READ']['errors'] == 0, ops
    assert stat['requests'] == sum(o['count'] for o in ops.values())
    assert stat['errors'] == sum(o['errors'] for o in ops.values())
    latency = ops['READ']['latency_ns']
    assert 0 < latency['p50'] <= latency['p99'] <= latency['p999'], latency
    assert stat['exact_latency'] is True
    assert [q['id'] for q in stat['queues']] == [0, 1, 2], stat['queues']
    p = case.load(sock, '--pattern', 'randread', '--runtime', '30', '--file-size', '1m')
    until('the driver is there', lambda: rpc.device('vfsdev0')['driver_status'] == 'DRIVER_OK' or
          any(q['enabled'] for q in rpc.call('virtio_fs_device_get_stat')[0]['queues']))
    until('requests are counted', lambda: rpc.call('virtio_fs_device_get_stat')[0]['requests'] > 1000)
    assert any(q['enabled'] and q['size'] for q in rpc.call('virtio_fs_device_get_stat')[0]['queues'])
    p.kill()
    server.stop_well()


# ---- functions that come and go ----

def add(rpc, name, **filesystem):
    vuid = rpc.call('virtio_fs_doca_function_create', manager='mlx5_0')
    rpc.call('virtio_fs_device_create', dev_name=name, tag=name, num_request_queues=2,
             transport_name='DOCA', filesystem=filesystem or {'type': 'null'})
    rpc.call('virtio_fs_doca_device_modify', dev_name=name, manager='mlx5_0', vuid=vuid)
    rpc.call('virtio_fs_device_start', dev_name=name)
    return vuid


def functions(rpc):
    return {f['vuid']: f for m in rpc.call('virtio_fs_doca_get_functions') for f in m['Function List']}


def a_function_lives(case):
    server, rpc = start(case, '--null')
    rpc.refused(-19, 'virtio_fs_doca_function_create', 'mlx5_9', manager='mlx5_9')
    vuid = add(rpc, 'late')
    dev = rpc.device('late')
    sock = dev['socket']
    assert dev['hotplug_state'] == 'POWER_OFF' and dev['hot_pluggable'] and dev['vuid'] == vuid
    assert functions(rpc)[vuid]['pci_address'] == '0000:00:00.0' and not os.path.exists(sock)
    rpc.refused(-16, 'virtio_fs_doca_function_destroy', vuid=vuid)
    assert rpc.call('virtio_fs_doca_device_hotplug', dev_name='late') == \
        {'hotplug_state': 'PLUG_IN_PROGRESS'}
    rpc.refused(-16, 'virtio_fs_doca_device_hotplug', dev_name='late')
    rpc.refused(-95, 'virtio_fs_doca_device_hotplug', 'static', dev_name='vfsdev0')
    p = case.load(sock, '--pattern', 'randread', '--runtime', '60')
    until('the host took it', lambda: rpc.device('late')['hotplug_state'] == 'POWER_ON')
    assert functions(rpc)[vuid]['pci_address'] != '0000:00:00.0'
    assert rpc.call('virtio_fs_doca_device_hotunplug', dev_name='late', wait_for_done=True) == \
        {'hotplug_state': 'POWER_OFF'}
    p.wait(PATIENCE)
    assert not os.path.exists(sock)
    # Plugged again, taken while somebody waits for it, let go by the host itself.
    waiter = Rpc(case.path('rpc'))
    waiter.send({'jsonrpc': '2.0', 'id': 1, 'method': 'virtio_fs_doca_device_hotplug',
                 'params': {'dev_name': 'late', 'wait_for_done': True}})
    until('the socket is there', lambda: answers(sock))
    assert 'late' in client(sock, 'probe').decode()
    answer = waiter.receive()
    until('the host let go', lambda: rpc.device('late')['hotplug_state'] == 'POWER_OFF')
    assert answer.get('result') == {'hotplug_state': 'POWER_ON'} or \
        answer['error']['code'] == -125, answer  # it may have come and gone between two looks
    rpc.call('virtio_fs_device_stop', dev_name='late')
    rpc.call('virtio_fs_device_destroy', dev_name='late')
    rpc.call('virtio_fs_doca_function_destroy', manager='mlx5_0', vuid=vuid)
    assert vuid not in functions(rpc)
    server.stop_well()


def a_function_survives_its_process(case):
    server, rpc = start(case, '--null')
    vuid = add(rpc, 'late')
    rpc.call('virtio_fs_doca_device_hotplug', dev_name='late')
    server.process.kill()
    server.process.wait()
    server, rpc = start(case, '--null')
    assert functions(rpc)[vuid]['hotplug_state'] == 'PLUG_IN_PROGRESS'
    rpc.call('virtio_fs_device_create', dev_name='again', tag='again', filesystem={'type': 'null'},
             num_request_queues=2, vuid=vuid)
    rpc.call('virtio_fs_device_start', dev_name='again')
    sock = rpc.device('again')['socket']
    assert 'again' in client(sock, 'probe').decode()
    until('the host let go', lambda: rpc.device('again')['hotplug_state'] == 'POWER_OFF')
    # Another process sees it and may not have it.
    other = case.server('--null', '--socket-path', case.path('sock2'), '--rpc-socket', case.path('rpc2'),
                        sockets=[case.path('sock2')],
                        env={'SOFTDPU_STATE_DIR': case.path('state'), 'XDG_RUNTIME_DIR': case.dir})
    rpc2 = Rpc(case.path('rpc2'))
    assert functions(rpc2)[vuid]['hotplug_state'] == 'POWER_OFF'
    rpc2.refused(-16, 'virtio_fs_doca_function_destroy', vuid=vuid)
    rpc2.call('virtio_fs_device_create', dev_name='mine', filesystem={'type': 'null'}, vuid=vuid)
    rpc2.refused(-16, 'virtio_fs_device_start', dev_name='mine')
    other.stop_well()
    server.stop_well()


def a_late_device_is_like_the_others(case):
    """Whose file systems have to know the data path: it bounds what they may be sent."""
    server, rpc = start(case, '--local', case.mkdir('share'), '--data-path', 'dma')
    add(rpc, 'late', type='local', dir=case.path('share'))
    rpc.call('virtio_fs_doca_device_hotplug', dev_name='late')
    shown = [re.findall('max_write.*', client(sock, 'probe').decode())
             for sock in (case.path('sock'), rpc.device('late')['socket'])]
    assert shown[0] and shown[0] == shown[1], shown
    server.stop_well()


def ports_run_out(case):
    server, rpc = start(case, '--null')
    made = [rpc.call('virtio_fs_doca_function_create') for _ in range(31)]
    assert len(set(made)) == 31
    rpc.refused(-28, 'virtio_fs_doca_function_create', 'PCI_SWITCH_EMULATION_NUM_PORT')
    rpc.call('virtio_fs_doca_function_destroy', vuid=made[7])
    assert rpc.call('virtio_fs_doca_function_create') == made[7]
    server.stop_well()


# ---- the VMM's side ----

class FakeQemu:
    """Speaks QMP; a device that is added holds a connection to its socket, as QEMU would."""

    def __init__(self, case, refuse=(), delay=0):
        self.path = case.path('qmp')
        self.case, self.refuse, self.delay = case, refuse, delay
        self.commands, self.guests, self.occupied = [], {}, ['rp1']
        self.free = ('rp1', 'rp2')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(4)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            conn, _ = self.listener.accept()
            try:
                self.session(conn)
            except OSError:
                pass
            conn.close()

    def session(self, conn):
        conn.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
        buffer = b''
        while True:
            data = conn.recv(4096)
            if not data:
                return
            buffer += data
            while b'\n' in buffer:
                line, buffer = buffer.split(b'\n', 1)
                msg = json.loads(line)
                conn.sendall(b'{"event": "RTC_CHANGE", "data": {"return": 1}}\r\n')
                conn.sendall(json.dumps(self.execute(msg['execute'], msg.get('arguments', {}))).encode() + b'\r\n')

    def execute(self, name, args):
        self.commands.append((name, args))
        time.sleep(self.delay)
        if name in self.refuse:
            return {'error': {'class': 'GenericError', 'desc': 'not today'}}
        if name == 'query-pci':
            port = {'class_info': {}, 'qdev_id': 'rp0', 'pci_bridge': {'bus': {}, 'devices': [{}]}}
            free = [{'class_info': {}, 'qdev_id': i, 'pci_bridge': {'bus': {}}} for i in self.free]
            return {'return': [{'bus': 0, 'devices': [{'qdev_id': ''}, port, *free]}]}
        if name == 'device_add' and args.get('bus') in self.occupied:
            return {'error': {'class': 'GenericError', 'desc': 'PCI: slot 0 function 0 already occupied'}}
        if name == 'device_add':
            self.occupied.append(args.get('bus'))
            path = args['socket']['path'] if 'socket' in args else self.chardev['data']['addr']['data']['path']
            speak = 'vfio-user' if 'socket' in args else 'vhost-user'
            self.guests[args['id']] = self.case.load(path, '--transport', speak, '--runtime', '100')
        if name == 'chardev-add':
            self.chardev = args['backend']
        if name == 'device_del':
            threading.Timer(0.3, self.guests.pop(args['id']).kill).start()
        return {'return': {}}

    def did(self, name):
        return [a for n, a in self.commands if n == name]


def qemu_attaches_vfio_user(case):
    qemu = FakeQemu(case)
    server, rpc = start(case, '--null', '--transport', 'vfio-user', '--qmp', qemu.path)
    add(rpc, 'late')
    sock = rpc.device('late')['socket']
    for _ in range(2):
        assert rpc.call('virtio_fs_doca_device_hotplug', dev_name='late', wait_for_done=True) == \
            {'hotplug_state': 'POWER_ON'}
        added = qemu.did('device_add')[-1]
        assert (added['driver'], added['socket']) == ('vfio-user-pci', {'type': 'unix', 'path': sock}), added
        # It is asked in both ways, and has its time.
        assert rpc.call('virtio_fs_doca_device_hotunplug', dev_name='late') == \
            {'hotplug_state': 'UNPLUG_IN_PROGRESS'}
        assert qemu.did('device_del')[-1] == {'id': added['id']}
        until('the guest let go', lambda: rpc.device('late')['hotplug_state'] == 'POWER_OFF')
        qemu.occupied.pop()
    server.stop_well()


def qemu_attaches_and_detaches(case):
    qemu = FakeQemu(case)
    server, rpc = start(case, '--null', '--qmp', qemu.path)
    vuid = add(rpc, 'late')
    sock = rpc.device('late')['socket']
    assert rpc.call('virtio_fs_doca_device_hotplug', dev_name='late', wait_for_done=True) == \
        {'hotplug_state': 'POWER_ON'}
    added = qemu.did('device_add')[-1]
    assert (added['driver'], added['bus'], added['tag']) == ('vhost-user-fs-pci', 'rp2', 'late'), added
    assert vuid in added['id'] and qemu.chardev['data']['addr']['data']['path'] == sock
    begin = time.monotonic()
    assert rpc.call('virtio_fs_doca_device_hotunplug', dev_name='late', wait_for_done=True) == \
        {'hotplug_state': 'POWER_OFF'}
    assert time.monotonic() - begin > 0.2, 'the guest was not given its time'
    assert qemu.did('device_del') == [{'id': added['id']}]
    assert rpc.call('virtio_fs_doca_device_hotplug', dev_name='late', bus='rp7')
    assert qemu.did('device_add')[-1]['bus'] == 'rp7'
    server.stop_well()


def what_qemu_refuses_is_told(case):
    qemu = FakeQemu(case, refuse=('device_add',))
    server, rpc = start(case, '--null', '--qmp', qemu.path)
    add(rpc, 'late')
    rpc.refused(-121, 'virtio_fs_doca_device_hotplug', 'not today', dev_name='late')
    until('it is off again', lambda: rpc.device('late')['hotplug_state'] == 'POWER_OFF')
    qemu.listener.close()
    os.unlink(qemu.path)
    rpc.refused(-2, 'virtio_fs_doca_device_hotplug', qemu.path, dev_name='late')
    until('it is off again', lambda: rpc.device('late')['hotplug_state'] == 'POWER_OFF')
    server.stop_well()


def a_slow_qemu_keeps_nobody_waiting(case):
    """Each answer is in time, and there is always one more port to try."""
    qemu = FakeQemu(case, delay=1)
    qemu.occupied = ['rp1', 'rp2', 'rp3', None]
    qemu.free = ('rp1',) * 60
    server, rpc = start(case, '--null', '--qmp', qemu.path)
    add(rpc, 'late')
    begin = time.monotonic()
    rpc.refused(-110, 'virtio_fs_doca_device_hotplug', dev_name='late')
    assert time.monotonic() - begin < PATIENCE
    until('it is off again', lambda: rpc.device('late')['hotplug_state'] == 'POWER_OFF')
    server.stop_well()


def a_load_does_not_notice(case):
    """Devices come and go, and everything is asked for, while another one serves."""
    server, rpc = start(case, '--null')
    p = case.load(case.path('sock'), '--pattern', 'randread', '--runtime', '2')
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        vuid = add(rpc, 'late')
        rpc.call('virtio_fs_doca_device_hotplug', dev_name='late')
        rpc.call('virtio_fs_device_get_stat')
        rpc.call('virtio_fs_get_devices')
        rpc.call('virtio_fs_doca_device_hotunplug', dev_name='late', wait_for_done=True)
        rpc.call('virtio_fs_device_stop', dev_name='late')
        rpc.call('virtio_fs_device_destroy', dev_name='late')
        rpc.call('virtio_fs_doca_function_destroy', vuid=vuid)
    out, _ = p.communicate(timeout=PATIENCE)
    assert p.returncode == 0, out
    server.stop_well()


if __name__ == '__main__':
    main([methods_are_discoverable, requests_are_checked, garbage_ends_the_connection,
          sockets_are_found_or_refused, devices_stop_and_start, statistics_count, a_function_lives,
          a_function_survives_its_process, a_late_device_is_like_the_others, ports_run_out, qemu_attaches_vfio_user,
          qemu_attaches_and_detaches, what_qemu_refuses_is_told, a_slow_qemu_keeps_nobody_waiting,
          a_load_does_not_notice])
