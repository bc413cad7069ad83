#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The programs of examples/, each with the host it is made for.

usage: test_examples.py EXAMPLES_DIR VFSLOAD
"""
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

from vfio_host import CONFIG, Host

EXAMPLES, LOAD = (os.path.abspath(p) for p in sys.argv[1:3])
PATIENCE = 60
BOARD = '''{"managers": [{"name": "mlx5_0", "pci_addr": "0000:03:00.0",
    "VIRTIO_FS_EMULATION_ENABLE": 1, "VIRTIO_FS_EMULATION_NUM_PF": 1,
    "VIRTIO_FS_EMULATION_NUM_MSIX": 4, "PCI_SWITCH_EMULATION_ENABLE": 1,
    "PCI_SWITCH_EMULATION_NUM_PORT": 3, "hotplug": {"transport": "vfio-user", "dir": "DIR"},
    "functions": [{"transport": "vhost-user", "socket": "DIR/pf0.sock"}]}]}'''


class Program:
    """An example that runs until it is told to end."""

    def __init__(self, place, name, *args):
        self.log = f'{place}/{name}.log'
        env = {**os.environ, 'SOFTDPU_BOARD': f'{place}/board.json', 'XDG_RUNTIME_DIR': place,
               'SOFTDPU_STATE_DIR': f'{place}/state'}
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen([f'{EXAMPLES}/{name}', *args], stdout=log, stderr=log, env=env)

    def said(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def until(self, pattern):
        end = time.monotonic() + PATIENCE
        while True:
            found = re.search(pattern, self.said(), re.M)
            if found:
                return found
            assert self.process.poll() is None and time.monotonic() < end, \
                f'"{pattern}" is not in: {self.said()}'
            time.sleep(0.02)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(PATIENCE)
        assert status == 0, f'status {status}: {self.said()}'

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def client(place, *args, status=0):
    r = subprocess.run([LOAD, *args, '--socket', f'{place}/pf0.sock'], capture_output=True,
                       timeout=PATIENCE)
    assert r.returncode == status, (args, r)
    return r.stdout


def check_controller(place, start, name):
    program = start(name, 'greeting')
    program.until('^serving')
    assert b'tag                greeting\n' in client(place, 'probe')
    assert client(place, 'ls', '/') == b'.\n..\nhello\n'
    assert client(place, 'cat', '/hello') == b'Hello from the DPU\n'
    client(place, 'cat', '/nothing', status=1)
    assert b'mode 0100444' in client(place, 'stat', '/hello')
    program.end()


def test_generic_controller(place, start):
    check_controller(place, start, 'generic_controller')


def test_fuse_controller(place, start):
    check_controller(place, start, 'fuse_controller')


def test_list_functions(place, start):
    program = start('list_functions')
    assert program.process.wait(PATIENCE) == 0
    assert re.search(r'^mlx5_0 0000:03:00\.0  virtio-fs: yes  hot plug: 2$', program.said(), re.M)
    assert len(re.findall(r'^  \S+  \S+ +static$', program.said(), re.M)) == 1


def test_hotplug_function(place, start):
    program = start('hotplug_function', 'plugged')
    host = Host(program.until(r'^socket (\S+)').group(1))
    program.until('^powered on')
    assert struct.unpack('<HH', host.read(CONFIG, 0, 4)) == (0x1af4, 0x105a)
    listing = start('list_functions')
    assert listing.process.wait(PATIENCE) == 0
    assert re.search(r'^  \S+  \S+ +powered on$', listing.said(), re.M), listing.said()
    host.close()
    program.until('^powered off')
    program.end()
    listing = start('list_functions')
    assert listing.process.wait(PATIENCE) == 0
    assert 'powered' not in listing.said()


def test_stateful_region(place, start):
    program = start('stateful_region')
    host = Host(program.until(r'^socket (\S+)').group(1))
    assert struct.unpack('<HH', host.read(CONFIG, 0, 4)) == (0x1234, 0x0d0c)
    assert host.read64(8) == 0
    host.write64(0, 12)
    program.until('^the host wrote 12$')
    end = time.monotonic() + PATIENCE
    while host.read64(8) != 144:
        assert time.monotonic() < end
    assert host.read64(0) == 12
    host.close()
    program.end()


def dma(host, addr, length):
    host.write64(16, 0)
    host.write64(0, addr)
    host.write64(8, length)
    end = time.monotonic() + PATIENCE
    while not (result := host.read64(16)):
        assert time.monotonic() < end, 'no answer'
    return result


def test_dma_to_host(place, start):
    program = start('dma_to_host')
    host = Host(program.until(r'^socket (\S+)').group(1))
    text = b'written by the device\n'
    assert dma(host, host.bus_addr + 4096, len(text)) == len(text)
    assert host.memory[4096:4096 + len(text)] == text
    assert host.memory[4096 + len(text)] == 0
    assert dma(host, 0xdead0000, 8) == (1 << 64) - 1  # not the host's to give
    assert dma(host, host.bus_addr + (1 << 20) - 4, 8) == (1 << 64) - 1  # over the end
    assert dma(host, host.bus_addr + 9, 7) == 7
    assert host.memory[9:16] == text[:7]
    host.close()
    program.end()


def run(case):
    programs = []
    with tempfile.TemporaryDirectory(prefix='ex.', dir='/tmp') as place:
        with open(f'{place}/board.json', 'w') as f:
            f.write(BOARD.replace('DIR', place))

        def start(name, *args):
            programs.append(Program(place, name, *args))
            return programs[-1]
        try:
            case(place, start)
        finally:
            for program in programs:
                program.kill()


def main():
    failed = 0
    for name, case in list(globals().items()):
        if not name.startswith('test_') or sys.argv[3:] and name not in sys.argv[3:]:
            continue
        try:
            run(case)
            print(f'ok - {name}', flush=True)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f'not ok - {name}', flush=True)
            failed += 1
    return failed


if __name__ == '__main__':
    sys.exit(main() != 0)
