# SPDX-License-Identifier: BSD-3-Clause
"""What the system tests of doca_virtiofs share: servers, clients, a private directory, a runner.

    ctl.py is imported by the test scripts, which are called with the paths of doca_virtiofs and vfsload.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

CTL, LOAD = (os.path.abspath(p) for p in sys.argv[1:3])
# Under sanitizers, and beside other work, everything takes longer.
PATIENCE = 30
MIB = 1 << 20


class Skip(Exception):
    pass


def until(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f'not within {patience} s: {what}'
        time.sleep(0.01)


def answers(path):
    """Does anybody listen there?"""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
            return True
        except OSError:
            return False


class Server:
    """One doca_virtiofs; ended, whatever happens, with the case that started it."""

    def __init__(self, case, *args, sockets=None, env=None, wait=True, **popen):
        self.sockets = sockets or [case.path('sock')]
        self.log = case.path(f'log{len(case.processes)}')
        args = [CTL, *args]
        if sockets is None:
            args += ['--socket-path', self.sockets[0]]
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(args, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, 'XDG_RUNTIME_DIR': case.dir,
                                                 'SOFTDPU_STATE_DIR': '', **(env or {})}, **popen)
        case.processes.append(self.process)
        if wait:
            until('the server listens', lambda: self.listens() or not self.alive())
            assert self.listens(), f'did not start: {self.said()}'

    def listens(self):
        return all(os.path.exists(s) for s in self.sockets) and 'serving' in self.said()

    def alive(self):
        return self.process.poll() is None

    def said(self):
        with open(self.log, errors='replace') as f:
            return f.read()

    def cpu_ticks(self):
        with open(f'/proc/{self.process.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def stop(self, sig=signal.SIGTERM):
        """Ends it and returns its status; the sockets must be gone."""
        self.process.send_signal(sig)
        status = self.process.wait(PATIENCE)
        left = [s for s in self.sockets if os.path.exists(s)]
        assert not left, f'left behind: {left}'
        return status

    def stop_well(self, sig=signal.SIGTERM):
        status = self.stop(sig)
        assert status == 0, f'status {status}: {self.said()}'
        bad = re.search(r'^.*(Sanitizer|still has contexts|cannot be destroyed).*$', self.said(), re.M)
        assert not bad, bad.group()


class Case:
    def __init__(self, name):
        # Short: the path of a socket has room for 107 bytes.
        self.dir = tempfile.mkdtemp(prefix='ctl.', dir='/tmp')
        self.name = name
        self.processes = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def file(self, name, content=b''):
        with open(self.path(name), 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def mkdir(self, name):
        os.mkdir(self.path(name))
        return self.path(name)

    def server(self, *args, **kw):
        return Server(self, *args, **kw)

    def load(self, sock, *args, **kw):
        """Starts vfsload and does not wait."""
        p = subprocess.Popen([LOAD, '--socket', sock, *args], stdin=kw.pop('stdin', subprocess.DEVNULL),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw)
        self.processes.append(p)
        return p

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
            if p.stdout:
                p.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


def client(sock, *args, data=None, status=0):
    """Runs vfsload to its end; returns what it printed. status: None for any."""
    r = subprocess.run([LOAD, *args, '--socket', sock], input=data or b'',
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=4 * PATIENCE)
    assert status is None or r.returncode == status, \
        f'vfsload {" ".join(args)}: status {r.returncode}: {r.stderr.decode(errors="replace")}'
    return r.stdout if status is not None else (r.returncode, r.stdout, r.stderr.decode(errors='replace'))


def load(sock, *args):
    """A load to its end; its data is checked when it says --verify."""
    return client(sock, '--pattern', *args)


def run(*args, env=None, timeout=PATIENCE, **kw):
    """Runs doca_virtiofs to its end."""
    return subprocess.run([CTL, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=kw.pop('stdin', subprocess.DEVNULL), timeout=timeout,
                          env={**os.environ, **(env or {})}, **kw)


def main(cases):
    """Runs the cases named on the command line, or all. Exit 77 when none of them could run."""
    wanted = sys.argv[3:]
    failed = ran = 0
    # Whoever runs the tests may be under nohup, which the servers would inherit.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    for fn in cases:
        if wanted and fn.__name__ not in wanted:
            continue
        case = Case(fn.__name__)
        begin = time.monotonic()
        verdict = 'ok'
        try:
            fn(case)
            ran += 1
        except Skip as e:
            verdict = f'skip ({e})'
        except Exception:
            traceback.print_exc(file=sys.stdout)
            verdict = 'FAILED'
            failed += 1
        finally:
            case.close()
        print(f'{verdict:6} {time.monotonic() - begin:5.1f} s  {fn.__name__}', flush=True)
    sys.exit(1 if failed else 0 if ran else 77)
