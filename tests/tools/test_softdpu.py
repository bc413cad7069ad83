#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""softdpu(1): boards edited, functions listed, plugged and removed, and a manual that says what is true.

usage: test_softdpu.py DOCA_VIRTIOFS VFSLOAD SOFTDPU SOURCE_ROOT [CASE...]
"""
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

TOOL, SOURCE = os.path.abspath(sys.argv.pop(3)), sys.argv.pop(3)
sys.path.insert(0, os.path.join(SOURCE, 'tests/controller'))

from ctl import CTL, PATIENCE, Skip, client, main, until  # noqa: E402: takes what is left of argv

BUILT_IN = '{"managers": [{}]}'
PAGE = os.path.join(SOURCE, 'docs/man/softdpu.1')


class Tool:
    """Runs the tool with a run directory, a state directory and a board of the case's own."""

    def __init__(self, case):
        self.env = {**os.environ, 'XDG_RUNTIME_DIR': case.dir, 'SOFTDPU_BOARD': case.path('board.json'),
                    'SOFTDPU_RPC': '', 'SOFTDPU_STATE_DIR': ''}

    def run(self, *args, **env):
        return subprocess.run([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=4 * PATIENCE, env={**self.env, **env})

    def __call__(self, *args, **env):
        r = self.run(*args, **env)
        assert r.returncode == 0, f'{args}: status {r.returncode}: {r.stderr}'
        assert 'Sanitizer' not in r.stderr, r.stderr
        return r.stdout

    def json(self, *args, **env):
        return json.loads(self(*args, '--json', **env))

    def refused(self, args, *words, status=1):
        r = self.run(*args)
        assert r.returncode == status, f'{args}: status {r.returncode}: {r.stdout} {r.stderr}'
        for w in words:
            assert w in r.stderr, f'{args}: no {w!r} in: {r.stderr}'
        assert 'Sanitizer' not in r.stderr, r.stderr


def board(case):
    with open(case.path('board.json')) as f:
        return json.load(f)


# ---- config ----

def settings_are_shown_and_changed(case):
    tool = Tool(case)
    shown = tool.json('config', 'query')['settings']
    assert len(shown) == 8 and shown['VIRTIO_FS_EMULATION_NUM_MSIX'] == \
        {'value': 34, 'default': 34, 'accepts': 'a number from 1 to 2048'}, shown
    assert not os.path.exists(case.path('board.json'))
    # The lines of the card's guide, with the device file of a card.
    dev = ['config', '-d', '/dev/mst/mt41692_pciconf0', '-y', 's']
    tool(*dev, 'VIRTIO_FS_EMULATION_ENABLE=1')
    tool(*dev, 'VIRTIO_FS_EMULATION_NUM_PF=1', 'VIRTIO_FS_EMULATION_NUM_MSIX=0x12')
    tool(*dev, 'PCI_SWITCH_EMULATION_ENABLE=True', 'PCI_SWITCH_EMULATION_NUM_PORT=4')
    shown = tool.json('config', 'q')['settings']
    assert shown['VIRTIO_FS_EMULATION_NUM_MSIX']['value'] == 18
    assert shown['PCI_SWITCH_EMULATION_NUM_PORT']['value'] == 4
    assert 'VIRTIO_FS_EMULATION_NUM_MSIX' in tool('config', 'q', 'VIRTIO_FS_EMULATION_NUM_MSIX')
    # The library believes it.
    listed = tool.json('list')
    assert listed['managers'][0]['hotplug_ports'] == 3 and len(listed['functions']) == 1, listed


def bad_settings_are_refused(case):
    tool = Tool(case)
    case.file('board.json', '{"managers": [{}, {"functions": [{}, {}]}]}')
    before = board(case)
    for args, *words in (
            (['PCI_SWITCH_EMULATION_NUM_PORT=1'], '0 or a number from 2 to 32'),
            (['PCI_SWITCH_EMULATION_NUM_PORT=33'], '= 33', '0 or a number from 2 to 32'),
            (['VIRTIO_FS_EMULATION_NUM_VF=1'], 'a number from 0 to 0'),
            (['VIRTIO_FS_EMULATION_NUM_PF=129'], 'a number from 0 to 128'),
            (['VIRTIO_FS_EMULATION_NUM_PF=many'], 'many', 'a number from 0 to 128'),
            (['VIRTIO_FS_EMULATION_NUM_PF='], 'a number from 0 to 128'),
            (['VIRTIO_FS_EMULATION_NUM_PF=99999999999999999999'], 'a number'),
            (['VIRTIO_FS_EMULATION_NUM_PF=1', 'NUM_PF=1'], 'no setting NUM_PF'),
            (['-d', 'mlx5_1', 'VIRTIO_FS_EMULATION_NUM_PF=1'], 'describes 2 functions'),
            (['-d', 'mlx5_7', 'VIRTIO_FS_EMULATION_NUM_PF=1'], 'no manager mlx5_7')):
        tool.refused(['config', 'set', *args], *words)
        assert board(case) == before
    tool.refused(['config', 'set', 'VIRTIO_FS_EMULATION_NUM_PF'], 'NAME=VALUE', status=2)
    tool.refused(['config', 'set'], status=2)
    tool.refused(['config', 'reset'], 'reset', status=2)
    tool.refused(['config', 'q', 'NUM'], 'no setting NUM')
    assert os.listdir(case.dir) == ['board.json']
    case.file('board.json', '{"managers": [')
    tool.refused(['config', 'set', 'VIRTIO_FS_EMULATION_NUM_PF=1'], 'line 1')
    os.unlink(case.path('board.json'))
    os.mkdir(case.path('board.json'))
    tool.refused(['config', 'set', 'VIRTIO_FS_EMULATION_NUM_PF=1'], case.path('board.json'))


def two_at_once_lose_nothing(case):
    tool = Tool(case)
    lock = os.open(case.dir, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    settings = ['VIRTIO_FS_EMULATION_NUM_MSIX=7', 'VIRTIO_FS_EMULATION_NUM_PF=1']
    both = [subprocess.Popen([TOOL, 'config', 'set', s], env=tool.env, stdout=subprocess.DEVNULL)
            for s in settings]
    case.processes += both
    time.sleep(0.3)
    assert [p.poll() for p in both] == [None, None], 'did not wait for the lock'
    os.close(lock)
    assert [p.wait(PATIENCE) for p in both] == [0, 0]
    written = board(case)['managers'][0]
    assert written == {'VIRTIO_FS_EMULATION_NUM_MSIX': 7, 'VIRTIO_FS_EMULATION_NUM_PF': 1}, written


def the_rest_of_the_file_stays(case):
    tool = Tool(case)
    text = {'managers': [{'name': 'first'}, {'name': 'second', 'pci_addr': '0000:05:00.0',
                                              'functions': [{'socket': '/run/x.sock'}],
                                              'hotplug': {'transport': 'vhost-user'}}]}
    case.file('board.json', json.dumps(text))
    os.chmod(case.path('board.json'), 0o640)
    for name in ('second', '05:00.0'):
        tool('config', '-d', name, 's', 'VIRTIO_FS_EMULATION_NUM_MSIX=7')
    text['managers'][1]['VIRTIO_FS_EMULATION_NUM_MSIX'] = 7
    assert board(case) == text
    assert os.stat(case.path('board.json')).st_mode & 0o777 == 0o640
    shown = tool.json('config', 'q', '-d', 'second')['settings']
    assert shown['VIRTIO_FS_EMULATION_NUM_PF']['value'] == 1  # as many as are described


# ---- list, stats, hotplug ----

def functions_are_listed(case):
    tool = Tool(case)
    case.file('board.json', BUILT_IN)
    functions = tool.json('list')['functions']
    assert [f['socket'] for f in functions] == [case.path('softdpu', f'pf{i}.sock') for i in (0, 1)]
    assert 'tag' not in functions[0]
    server = case.server('--null', '--tag', 'here', sockets=[case.path('softdpu/pf0.sock')],
                         env=tool.env)
    functions = tool.json('list')['functions']
    assert len(functions) == 2, functions
    assert (functions[0]['tag'], functions[0]['driver_status'], functions[0]['filesystem']) == \
        ('here', 'RESET', 'null'), functions
    assert 'here' in tool('list') and 'SD000003000VFSS0D0F1' in tool('list')
    p = case.load(case.path('softdpu/pf0.sock'), '--pattern', 'randread', '--runtime', '60')
    # vfsload sets no status over vhost-user unless both sides can; a queue in use tells as well.
    until('requests are counted', lambda: tool.json('stats')[0]['requests'] > 100)
    stats = tool.json('stats', '--exact', 'on', 'vfsdev0')[0]
    assert any(o['opcode'] == 'READ' and o['latency_ns']['p50'] > 0 for o in stats['opcodes']), stats
    assert any(q['enabled'] for q in stats['queues']), stats['queues']
    assert re.search(r'^READ +\d+ +0 ', tool('stats'), re.M), tool('stats')
    p.kill()
    # A second controller with a board of its own.
    second = case.server('--null', '--tag', 'there', env=tool.env)
    functions = tool.json('list')['functions']
    assert {(f['socket'], f.get('tag')) for f in functions} >= \
        {(case.path('softdpu/pf0.sock'), 'here'), (case.path('sock'), 'there')}, functions
    assert {d['tag'] for d in tool.json('stats')} == {'here', 'there'}
    tool.refused(['hotplug', 'add', '--tag', 'x', '--null'], 'several controllers', 'rpc-')
    second.stop_well()
    server.stop_well()
    tool.refused(['stats'], 'no controller')
    tool.refused(['stats', '--rpc-socket', case.path('none')], case.path('none'))


def functions_come_and_go(case):
    tool = Tool(case)
    case.file('board.json', BUILT_IN)
    server = case.server('--null', '--may-serve', 'local', env=tool.env)
    dev = tool.json('hotplug', 'add', '--tag', 'home', '--local', case.mkdir('home'), '-q', '2')
    tool.refused(['hotplug', 'add', '--tag', 'x', '--nfs-server', 'h', '--nfs-export', '/e'],
                 '--may-serve=nfs')
    assert (dev['name'], dev['hotplug_state'], dev['transport']) == \
        ('home', 'PLUG_IN_PROGRESS', 'vhost-user'), dev
    sock, vuid = dev['socket'], dev['vuid']
    client(sock, 'put', 'file', data=b'hello')
    with open(case.path('home/file')) as f:
        assert f.read() == 'hello'
    assert [f for f in tool.json('list')['functions'] if f['vuid'] == vuid][0]['tag'] == 'home'
    # What fails is taken back.
    tool.refused(['hotplug', 'add', '--tag', 'x', '--local', '/nowhere'], '/nowhere')
    tool.refused(['hotplug', 'add', '--tag', 'home', '--null'], 'home already')
    tool.refused(['hotplug', 'add', '--tag', 'x' * 21, '--null'], 'use 1 to 20')
    assert len([f for f in tool.json('list')['functions'] if f['hotplug']]) == 1
    tool.refused(['hotplug', 'remove', 'vfsdev0'], 'static')
    tool.refused(['hotplug', 'remove', 'nobody'], 'nobody')
    assert vuid in tool('hotplug', 'remove', 'home')
    assert not [f for f in tool.json('list')['functions'] if f['hotplug']] and not os.path.exists(sock)
    # One that is in use is cut off from its host, which is all vhost-user can do.
    dev = tool.json('hotplug', 'add', '--tag', 'busy', '--null')
    p = case.load(dev['socket'], '--pattern', 'randread', '--runtime', '60')
    until('it is in use', lambda: [f for f in tool.json('list')['functions']
                                   if f['hotplug']][0]['state'] == 'POWER_ON')
    tool('hotplug', 'remove', dev['vuid'])
    assert p.wait(PATIENCE) != 0
    server.stop_well()


def functions_outlive_controllers(case):
    tool = Tool(case)
    case.file('board.json', '{"managers": [{"PCI_SWITCH_EMULATION_NUM_PORT": 3}]}')
    server = case.server('--null', env=tool.env)
    vuid = tool.json('hotplug', 'add', '--tag', 'home', '--null')['vuid']
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    left = [f for f in tool.json('list')['functions'] if f['hotplug']]
    assert [(f['vuid'], f['state']) for f in left] == [(vuid, 'PLUG_IN_PROGRESS')], left
    server = case.server('--null', env=tool.env)
    dev = tool.json('hotplug', 'add', '--vuid', vuid, '--tag', 'again', '--null')
    assert dev['vuid'] == vuid and 'again' in client(dev['socket'], 'probe').decode()
    tool('hotplug', 'remove', 'again')
    server.stop_well()


def methods_are_called(case):
    tool = Tool(case)
    server = case.server('--null', env=tool.env)
    assert 'rpc_get_methods' in json.loads(tool('rpc', 'rpc_get_methods'))
    assert json.loads(tool('rpc', 'log_set_level', '{"level": "ERROR"}')) is True
    tool.refused(['rpc', 'log_set_level', '{"level": "x"}'], 'level x')
    tool.refused(['rpc', 'log_set_level', 'x'], 'JSON', status=2)
    tool.refused(['rpc'], status=2)
    server.stop_well()


def hostile_controllers_are_survived(case):
    """What answers there may be anything."""
    tool = Tool(case)
    case.file('board.json', BUILT_IN)
    os.mkdir(case.path('softdpu'))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(case.path('softdpu/rpc-1.sock'))
    listener.listen(4)
    for answer in (b'', b'x', b'[]', b'{}', b'{"result": 5}', b'{"result": [5, {"vuid": 5}, null]}',
                   b'{"result": [{"manager": {}, "Function List": [1]}]}', b'{"error": 5}',
                   b'{"result": [{"tag": "\\u001b[2J", "vuid": "SD000003000VFSS0D0F0"}]}'):
        for args in (['list'], ['list', '--json'], ['stats'], ['stats', '--json'], ['hotplug', 'remove', 'x'], ['rpc', 'x']):
            p = subprocess.Popen([TOOL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=tool.env)
            listener.settimeout(PATIENCE)
            conn, _ = listener.accept()
            try:
                for _ in range(4):
                    if not conn.recv(4096):
                        break
                    conn.sendall(answer)
                    if not answer:
                        break
            except OSError:
                pass
            conn.close()
            out, err = p.communicate(timeout=PATIENCE)
            assert p.returncode in (0, 1), (answer, args, p.returncode, err)
            assert b'\x1b' not in out and b'Sanitizer' not in err, (out, err)
    listener.close()
    tool('list')
    assert os.listdir(case.path('softdpu')) == [], 'the stale socket is still there'


# ---- the manual ----

def text(path):
    with open(path) as f:
        return f.read()


def manual_lists_what_help_does(case):
    page, shown = text(PAGE), Tool(case)('--help')
    for option in set(re.findall(r'--[a-z-]+', shown)) - {'--help', '--version'}:
        words = option[2:]
        assert re.search(rf'Fl Fl {words}\b|, {words}\b', page), f'{option} is not in the manual'
    for command in ('config query', 'config set', 'list', 'stats', 'hotplug add', 'hotplug remove', 'rpc'):
        assert re.search(rf'^\.It Cm {command}\b', page, re.M), f'{command} is not in the manual'


def manual_lists_the_methods(case):
    page = ' '.join(text(PAGE).split())
    tool = Tool(case)
    server = case.server('--null', env=tool.env)
    methods = json.loads(tool('rpc', 'rpc_get_methods', '{"verbose": true}'))
    for m in methods:
        assert f'.It Cm {m["name"]} {m["description"]}' in page, f'{m["name"]} is not in the manual as it is'
        for kind, required in (('Needs', True), ('Takes', False)):
            params = [f'{p["name"]} ({p["type"]})' for p in m['params'] if p['required'] == required]
            assert not params or f'{kind}: {", ".join(params)}.' in page.split(f'.It Cm {m["name"]} ')[1], m
    assert len(re.findall(r'\.It Cm (?:rpc_get|framework|log_|virtio_fs)', page)) == len(methods)
    server.stop_well()


def manual_is_well_formed(case):
    if not shutil.which('mandoc'):
        raise Skip('no mandoc')
    for page in (PAGE, os.path.join(SOURCE, 'docs/man/softdpu-board.5')):
        r = subprocess.run(['mandoc', '-Tlint', '-Wwarning', page], stdout=subprocess.PIPE, text=True)
        assert r.returncode == 0, r.stdout


def manual_examples_run(case):
    tool = Tool(case)
    lines = re.findall(r'^\.Dl softdpu (.*)$', text(PAGE).split('.Sh EXAMPLES')[1], re.M)
    assert len(lines) >= 7, lines
    server = None
    for line in lines:
        if not line.startswith('config') and not server:
            server = case.server('--null', '--may-serve', 'local', env=tool.env)
        tool(*shlex.split(line.replace('/srv/home', case.dir)))
    server.stop_well()


if __name__ == '__main__':
    assert CTL
    main([settings_are_shown_and_changed, bad_settings_are_refused, two_at_once_lose_nothing,
          the_rest_of_the_file_stays, functions_are_listed, functions_come_and_go, functions_outlive_controllers, methods_are_called,
          hostile_controllers_are_survived, manual_lists_what_help_does, manual_lists_the_methods,
          manual_is_well_formed, manual_examples_run])
