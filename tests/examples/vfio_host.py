# SPDX-License-Identifier: BSD-3-Clause
"""The smallest host that owns a PCIe function over vfio-user: registers and shared memory, no driver."""
import array
import json
import mmap
import os
import socket
import struct

VERSION, DMA_MAP, REGION_READ, REGION_WRITE = 1, 2, 9, 10
CONFIG = 7  # region of the configuration space
REPLY, ERROR = 1, 0x20  # of the flags


class Host:
    def __init__(self, path, memory=1 << 20, bus_addr=0x10000000):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.next_id = 0
        caps = json.dumps({'capabilities': {'max_msg_fds': 8, 'max_data_xfer_size': 1 << 20}})
        self.call(VERSION, struct.pack('<HH', 0, 1) + caps.encode() + b'\0')
        self.bus_addr = bus_addr
        fd = os.memfd_create('host')
        os.ftruncate(fd, memory)
        self.memory = mmap.mmap(fd, memory)
        self.call(DMA_MAP, struct.pack('<IIQQQ', 32, 3, 0, bus_addr, memory), fd)
        os.close(fd)

    def close(self):
        self.sock.close()
        self.memory.close()

    def receive(self, size):
        data = b''
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            assert part, 'the device hung up'
            data += part
        return data

    def call(self, command, payload, fd=None):
        self.next_id += 1
        header = struct.pack('<HHIII', self.next_id, command, 16 + len(payload), 0, 0)
        rights = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))]
        self.sock.sendmsg([header + payload], rights)
        ident, _, size, flags, errno = struct.unpack('<HHIII', self.receive(16))
        assert ident == self.next_id and flags & 0xf == REPLY, (ident, flags)
        data = self.receive(size - 16)
        assert not flags & ERROR, f'command {command}: {os.strerror(errno)}'
        return data

    def write(self, region, offset, data):
        self.call(REGION_WRITE, struct.pack('<QII', offset, region, len(data)) + data)

    def read(self, region, offset, count):
        return self.call(REGION_READ, struct.pack('<QII', offset, region, count))[16:]

    def write64(self, offset, value):
        self.write(0, offset, struct.pack('<Q', value))

    def read64(self, offset):
        return struct.unpack('<Q', self.read(0, offset, 8))[0]
