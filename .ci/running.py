"""What the checks share: processes on free loopback ports, of which each check ends its own and nobody else's."""

import contextlib
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
# One that is optimised disturbs what it measures less.
GAUGE = ROOT / os.environ.get("GAUGE", "target/debug/tidegauge")

# Any credentials will do. The rest keeps the caller's own AWS set-up out of the checks.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.environ.get("HOME", "/"),
    "AWS_ACCESS_KEY_ID": "check",
    "AWS_SECRET_ACCESS_KEY": "check",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Failed(Exception):
    """What was checked does not hold, or could not be tried."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports(count):
    """The first of so many free ports in a row."""
    for _ in range(100):
        first = free_port()
        with contextlib.ExitStack() as held, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise Failed(f"there are no {count} free ports in a row")


def get(port, path):
    """The body that a server on loopback answers with; `None` while it does not answer."""
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read()
    return None


def listens(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def wait_for(what, seconds, look, process):
    """Calls `look` until it returns something, while `process` lives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"{what}: the process ended with exit code {process.returncode}")
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise Failed(f"{what}: not within {seconds} s")


@contextlib.contextmanager
def started(command, log, environment):
    """A process that is ended, by its own id, when the block is left. Its last words are printed if that failed."""
    if not pathlib.Path(command[0]).exists():
        raise Failed(f"there is no {command[0]}")
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
    try:
        yield process
    except BaseException:
        print(f"the last lines of {command[0]}:", flush=True)
        for line in log.read_text(errors="replace").splitlines()[-20:]:
            print(f"    {line}", flush=True)
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
