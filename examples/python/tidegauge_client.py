"""Asks the gauge beside this application which read to make.

Nothing but the standard library; copy it. What it promises: an answer after 50 ms at most, whatever the gauge does, and
`unknown` wherever there was none that can be relied on. Whoever treats `unknown` as too old is safe; why it is unknown is in
`cause`, and in the log, once for each cause.
"""

import http.client
import ipaddress
import logging
import math
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

READ_LOCAL = "read_local"
READ_STRONG = "read_strong"
READ_SOURCE_REGION = "read_source_region"
READ_HOME_REGION = "read_home_region"
USE_SESSION_TOKEN = "use_session_token"
WAIT = "wait"
REFUSE = "refuse"
UNKNOWN = "unknown"

DECISIONS = {READ_LOCAL, READ_STRONG, READ_SOURCE_REGION, READ_HOME_REGION, USE_SESSION_TOKEN, WAIT, REFUSE}

# Advice to read elsewhere is safe for as long as one likes, and dear: it is asked for again after so long at most, so that
# reads come back soon once the local replica will do.
ELSEWHERE_SECONDS = 0.25
# A gauge that does not answer is left alone for so long: else every read of the application would wait for it.
PAUSE_AFTER_FAILURE_SECONDS = 0.5
# So many answers, and causes that were logged, are kept: a bound that varies makes each question another one.
KEPT_MAX = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Advice:
    """Which read to make, until when (`time.monotonic()`), and what came with it."""

    decision: str
    until: float
    read_region: str | None = None
    wait_seconds: float | None = None
    # Regions that would not answer.
    avoid: frozenset[str] = frozenset()
    # `measurement`, `provider` or `policy`: what the decision rests on.
    rests_on: str | None = None
    # Lost regions that were left out of account: what they wrote last may be missing in every region, for ever.
    excluded: frozenset[str] = frozenset()
    # Until when an operator decided this, as RFC 3339 has it.
    override_until: str | None = None
    # Why it is `unknown`, for a person.
    cause: str | None = None

    def holds(self, at: float) -> bool:
        """Whether it held at `at`. Ask with the instant at which the data came in, not only before the read left: a
        process can be stopped between the two."""
        return at < self.until


class Gauge:
    """The gauge of this cell. May be shared by threads and forked processes."""

    def __init__(self, address: str = "127.0.0.1:9746", timeout_seconds: float = 0.05) -> None:
        """`ValueError` if `address` is not an IP address and a port."""
        self._host, self._port = _host_and_port(address)
        self._timeout = timeout_seconds
        self._process = _Process()

    def advice(self, store: str, **question: str | float) -> Advice:
        """The gauge's advice, or what it said before while that holds. `question` as in the API: `max_staleness="6s"`,
        `source_region="us-east-1"`, and so on."""
        path = "/api/v1/advice?" + urlencode({"store": store, **question})
        now = time.monotonic()
        process = self._here()
        known = process.known.get(path)
        if known and known.holds(now):
            return known
        # Whoever asks at the same time waits for the same answer, and not for longer than the gauge may take.
        if not process.lock.acquire(timeout=self._timeout):
            return Advice(UNKNOWN, now, cause="another question was not answered in time")
        try:
            known = process.known.get(path)
            if not (known and known.holds(time.monotonic())):
                if len(process.known) >= KEPT_MAX:
                    process.known.clear()
                known = process.known[path] = self._ask(process, store, path, now)
            return known
        finally:
            process.lock.release()

    def close(self) -> None:
        """Closes the connection; another question would open it anew."""
        process = self._here()
        with process.lock:
            process.disconnect()

    def _here(self) -> "_Process":
        process = self._process
        if process.id != os.getpid():
            # Forked. Two threads that come here at once get one each, and neither is the parent's.
            process = self._process = _Process()
        return process

    def _ask(self, process: "_Process", store: str, path: str, asked_at: float) -> Advice:
        try:
            if not process.connection:
                process.connection = _Connection(self._host, self._port)
            process.connection.deadline = asked_at + self._timeout
            # The headers say it all.
            process.connection.request("HEAD", path)
            answer = process.connection.getresponse()
            answer.read()
            return _advice_in(answer, asked_at)
        except Exception as error:  # Whatever it was, the application has a read to make.
            # What is left of the answer may still come: not to be taken for the next one.
            process.disconnect()
            told = " ".join(str(error).split()) or type(error).__name__
            cause = f"store {store}, gauge {self._host} port {self._port}: {told}"
            if cause not in process.logged:
                if len(process.logged) >= KEPT_MAX:
                    process.logged.clear()
                process.logged.add(cause)
                _log.warning("advice is unknown: %s (%s)", cause, path)
            return Advice(UNKNOWN, time.monotonic() + PAUSE_AFTER_FAILURE_SECONDS, cause=cause)


def _host_and_port(address: str) -> tuple[str, int]:
    """An IP address, as looking a name up has no timeout."""
    host, _, port = address.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ipaddress.ip_address(host[1:-1] if is_bracketed else host)
        if is_bracketed == (ip.version == 6) and port.isdecimal() and 0 < int(port) < 65536:
            return str(ip), int(port)
    except ValueError:
        pass
    raise ValueError(f"an IP address and a port, such as 127.0.0.1:9746 or [::1]:9746, and not {address!r}")


def _advice_in(answer: http.client.HTTPResponse, asked_at: float) -> Advice:
    """What an answer advises; `ValueError` if it is none. It holds from before the question left: how long the way was, and
    on which side, nobody knows."""
    if answer.status != 200:
        raise ValueError(f"{answer.status} {answer.reason}")
    decision, valid_for = answer.getheader("Tidegauge-Decision"), _seconds_in(answer, "Tidegauge-Valid-For")
    if decision not in DECISIONS or valid_for is None:
        raise ValueError(f"no advice that is known here: {decision}")
    return Advice(
        decision,
        until=asked_at + (valid_for if decision == READ_LOCAL else min(valid_for, ELSEWHERE_SECONDS)),
        read_region=answer.getheader("Tidegauge-Read-Region"),
        wait_seconds=_seconds_in(answer, "Tidegauge-Wait"),
        avoid=_regions_in(answer, "Tidegauge-Avoid"),
        rests_on=answer.getheader("Tidegauge-Rests-On"),
        excluded=_regions_in(answer, "Tidegauge-Excluded"),
        override_until=answer.getheader("Tidegauge-Override-Until"),
    )


def _seconds_in(answer: http.client.HTTPResponse, header: str) -> float | None:
    told = answer.getheader(header)
    if told is None:
        return None
    seconds = float(told)
    if not math.isfinite(seconds):
        raise ValueError(f"{header} is not finite")
    return seconds


def _regions_in(answer: http.client.HTTPResponse, header: str) -> frozenset[str]:
    return frozenset(region.strip() for region in (answer.getheader(header) or "").split(",") if region.strip())


class _Connection(http.client.HTTPConnection):
    """A connection that is kept open, with a deadline for the whole exchange: the standard library's own timeout begins
    anew with every byte."""

    deadline = 0.0

    def connect(self) -> None:
        self.sock = _DeadlineSocket(self)
        self.sock.settimeout(self.left())
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the gauge did not answer in time")
        return left


class _DeadlineSocket(socket.socket):
    def __init__(self, connection: _Connection) -> None:
        super().__init__(socket.AF_INET6 if ":" in connection.host else socket.AF_INET, socket.SOCK_STREAM)
        self._connection = connection

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(self._connection.left())
        super().sendall(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self._connection.left())
        return super().recv_into(*arguments)


@dataclass
class _Process:
    """What a process has for itself. One that is forked inherits it, with the same connection underneath: both would ask on
    it, and either hear what the other was told."""

    id: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: _Connection | None = None
    known: dict[str, Advice] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)

    def disconnect(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None
