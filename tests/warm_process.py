"""Processes that have loaded TensorFlow, from which jobs are forked.

Loading TensorFlow takes most of the time of a short job, and the suite starts hundreds.
A fork of a process that has loaded it, and not used it, is as a new one: TensorFlow
starts its threads and opens its devices when it is first used. The few threads that
libraries start as they load are missing in a fork; nothing waits for them. Its output,
exit code and signals are those of a process of its own, and it ends as any interpreter
does.

Python draws the seed of its hashes once a process, and forks would share it: an order
that depends on it, as that of a set does, would look fixed. So there are two processes,
of different seeds, which take turns.

Not for what happens before TensorFlow is loaded, nor for what its environment decides
while it loads: those need a process from nothing.
"""

import ctypes
import itertools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

from bert_tf.cli.quiet_tensorflow import held_back_stderr

ROOT = Path(__file__).parents[1]

# Python reads them as it starts; a fork has those of the process that it is of.
OF_THE_INTERPRETER = ("PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONWARNINGS")

_PR_SET_PDEATHSIG = 1  # prctl(2)


class WarmJob:
    """A job that was started; what `subprocess.Popen` has, as far as tests need it.

    Args:
        command: as after `python`: `["-m", JOB, ...]` or `["-c", CODE, ...]`.
        server: the process to fork.
        cwd: the working directory.
        env: the environment.
        merge: whether standard error goes to standard output.
    """

    def __init__(self, command, server, cwd, env, merge):
        self.args = command
        self.returncode = None
        self._stdout = tempfile.TemporaryFile()
        self._stderr = self._stdout if merge else tempfile.TemporaryFile()
        status, writer = os.pipe()
        self._status = os.fdopen(status, "rb", buffering=0)
        request = {
            "command": [os.fspath(part) for part in command],
            "cwd": os.fspath(cwd),
            "env": dict(env),
        }
        files = [self._stdout.fileno(), self._stderr.fileno(), writer]
        socket.send_fds(server, [json.dumps(request).encode()], files)
        os.close(writer)
        assert server.recv(1) == b"."
        self.pid = int(self._status.readline())
        os.set_blocking(status, False)

    def poll(self):
        # Nothing yet is None; the end of the file without a code: killed, as its
        # keeper was.
        if self.returncode is None and (code := self._status.read()) is not None:
            self._written = self._read()
            self.returncode = int(code or -signal.SIGKILL)
            for file in (self._status, self._stdout, self._stderr):
                file.close()
        return self.returncode

    def wait(self, timeout=600):
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.005)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=600):
        self.wait(timeout)
        return self.output()

    def output(self):
        """What it has written so far to standard output, and to standard error."""
        return self._read() if self.poll() is None else self._written

    def _read(self):
        texts = []
        for file in (self._stdout, self._stderr):
            # Not by `seek`: the job writes where the one position is.
            size = os.fstat(file.fileno()).st_size
            texts.append(os.pread(file.fileno(), size, 0).decode())
        return tuple(texts)


class WarmProcesses:
    """Starts jobs; a context manager."""

    def __enter__(self):
        self._servers = [_Server(), _Server()]
        self._turns = itertools.cycle(self._servers)
        return self

    def __exit__(self, *error):
        for server in self._servers:
            server.stop()

    def kill(self):
        """Kills them, as the system does where memory runs out."""
        for server in self._servers:
            server.kill()

    def start(self, command, *, cwd=ROOT, env=None, merge=False):
        env = os.environ if env is None else env
        for name in OF_THE_INTERPRETER:
            assert env.get(name) == os.environ.get(name), f"{name} needs a new process"
        return WarmJob(command, next(self._turns).socket(), cwd, env, merge)

    def run(self, command, *, cwd=ROOT, env=None, timeout=600):
        job = self.start(command, cwd=cwd, env=env)
        stdout, stderr = job.communicate(timeout)
        return subprocess.CompletedProcess(command, job.returncode, stdout, stderr)


class _Server:
    """One process to fork, which is started when it is first asked for."""

    def __init__(self):
        self._socket = None

    def socket(self):
        if self._socket is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            descriptor = theirs.fileno()
            paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
            self._socket = ours
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(descriptor)],
                pass_fds=[descriptor],
                stdout=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                },
            )
            theirs.close()
        return self._socket

    def kill(self):
        if self._socket is not None:
            self._process.kill()

    def stop(self):
        if self._socket is not None:
            self._socket.close()
            self._process.wait()


def _die_with(parent):
    """Has the system kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _serve(server):
    """Forks a job for each request, and returns in the fork with what it asks for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for the keepers.
    process = os.getpid()
    while True:
        message, files, _, _ = socket.recv_fds(server, 2**20, 3)
        if not message:
            sys.exit()
        with warnings.catch_warnings():
            # The loaded libraries have a thread or two, which do nothing yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            keeper = os.fork()
        if keeper == 0:
            _die_with(process)
            return json.loads(message), files
        for descriptor in files:
            os.close(descriptor)
        server.send(b".")


def _keep(status):
    """Forks the job; the parent waits for it and tells its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    keeper = os.getpid()
    job = os.fork()
    if job == 0:
        _die_with(keeper)
        os.close(status)
        return
    os.write(status, f"{job}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
    os.write(status, str(code).encode())
    os._exit(0)


def _become(request, stdout, stderr):
    """Gives the process what a new one would have."""
    import numpy as np

    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    np.random.seed()  # Of `random`, Python sees to it.
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    paths = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [request["cwd"], *filter(None, paths)]


def main():
    """Runs in the process: loads TensorFlow, then forks; in a fork, runs a job."""
    sys.path.pop(0)  # The tests' own modules.
    with held_back_stderr():
        import keras  # noqa: F401
        import tensorflow as tf
        import tensorflow_text  # noqa: F401

    server = socket.socket(fileno=int(sys.argv[1]))
    request, (stdout, stderr, status) = _serve(server)
    server.close()
    _keep(status)
    _become(request, stdout, stderr)
    with held_back_stderr():  # TensorFlow greets a second time at its devices.
        tf.config.list_physical_devices()
    kind, what, *arguments = request["command"]
    sys.argv = [what if kind == "-m" else "-c", *arguments]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), module.__dict__)


if __name__ == "__main__":
    main()
