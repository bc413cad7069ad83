# SPDX-License-Identifier: BSD-3-Clause
"""A real NFS server (tests/guest/nfs-server) for a case: with Nfsd(case) as nfsd: ..."""
import os
import signal
import subprocess

from ctl import Skip

HELPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'guest', 'nfs-server')


class Nfsd:
    def __init__(self, case):
        if not os.path.exists('/usr/bin/ganesha.nfsd') or os.geteuid():
            raise Skip('needs nfs-ganesha and root')
        self.dir = case.mkdir('export')
        os.chmod(self.dir, 0o755)

    def __enter__(self):
        r = subprocess.run(['bash', HELPER, 'start', self.dir], stdout=subprocess.PIPE, text=True)
        if r.returncode:
            raise Skip('nfs-ganesha does not start here')
        said = dict(line.split('=', 1) for line in r.stdout.split())
        self.state, self.pid = said['STATE'], int(said['PID'])
        self.port, self.mount_port = said['NFS_PORT'], said['MNT_PORT']
        self.url = f'nfs://127.0.0.1:{self.port}{self.dir}?mountport={self.mount_port}'
        return self

    def freeze(self):
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self):
        os.kill(self.pid, signal.SIGCONT)

    def __exit__(self, *exc):
        self.thaw()
        subprocess.run(['bash', HELPER, 'stop', self.state], stdout=subprocess.DEVNULL)
