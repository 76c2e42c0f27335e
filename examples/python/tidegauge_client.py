"""Asks the gauge beside this application which read to make.

Nothing but the standard library; copy it. What it promises: an answer after 50 ms at most, whatever the gauge does, and
`unknown` wherever there was none that can be relied on. Whoever treats `unknown` as too old is safe.
"""

import http.client
import math
import socket
import threading
import time
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Advice:
    """Which read to make, until when (`time.monotonic()`), and what came with it."""

    decision: str
    until: float
    read_region: str | None = None
    wait_seconds: float | None = None
    avoid: frozenset[str] = frozenset()

    def holds(self, at: float) -> bool:
        """Whether it held at `at`. Ask with the instant at which the data came in, not only before the read left: a
        process can be stopped between the two."""
        return at < self.until


class Gauge:
    """The gauge of this cell. May be shared by threads."""

    def __init__(self, address: str = "127.0.0.1:9746", timeout_seconds: float = 0.05) -> None:
        self._address = address
        self._timeout = timeout_seconds
        self._connection: _Connection | None = None
        self._lock = threading.Lock()
        self._known: dict[str, Advice] = {}

    def advice(self, store: str, **question: str | float) -> Advice:
        """The gauge's advice, or what it said before while that holds. `question` as in the API: `max_staleness="6s"`,
        `source_region="us-east-1"`, and so on."""
        path = "/api/v1/advice?" + urlencode({"store": store, **question})
        now = time.monotonic()
        known = self._known.get(path)
        if known and known.holds(now):
            return known
        # Whoever asks at the same time waits for the same answer, and not for longer than the gauge may take.
        if not self._lock.acquire(timeout=self._timeout):
            return Advice(UNKNOWN, now)
        try:
            known = self._known.get(path)
            if not (known and known.holds(time.monotonic())):
                known = self._known[path] = self._ask(path, now)
            return known
        finally:
            self._lock.release()

    def close(self) -> None:
        """Closes the connection; another question would open it anew."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _ask(self, path: str, asked_at: float) -> Advice:
        try:
            if not self._connection:
                self._connection = _Connection(self._address)
            self._connection.deadline = asked_at + self._timeout
            # The headers say it all.
            self._connection.request("HEAD", path)
            answer = self._connection.getresponse()
            answer.read()
            return _advice_in(answer, asked_at)
        except (OSError, http.client.HTTPException, ValueError):
            # What is left of the answer may still come: not to be taken for the next one.
            self.close()
            return Advice(UNKNOWN, time.monotonic() + PAUSE_AFTER_FAILURE_SECONDS)


def _advice_in(answer: http.client.HTTPResponse, asked_at: float) -> Advice:
    """What an answer advises; `ValueError` if it is none. It holds from before the question left: how long the way was, and
    on which side, nobody knows."""
    decision, valid_for = answer.getheader("Tidegauge-Decision"), answer.getheader("Tidegauge-Valid-For")
    if answer.status != 200 or decision not in DECISIONS or valid_for is None or not math.isfinite(float(valid_for)):
        raise ValueError(f"no advice: {answer.status} {decision} {valid_for}")
    kept = float(valid_for) if decision == READ_LOCAL else min(float(valid_for), ELSEWHERE_SECONDS)
    wait = answer.getheader("Tidegauge-Wait")
    avoid = answer.getheader("Tidegauge-Avoid") or ""
    return Advice(
        decision,
        until=asked_at + kept,
        read_region=answer.getheader("Tidegauge-Read-Region"),
        wait_seconds=float(wait) if wait is not None else None,
        avoid=frozenset(region.strip() for region in avoid.split(",") if region.strip()),
    )


class _Connection(http.client.HTTPConnection):
    """A connection that is kept open, with a deadline for the whole exchange: the standard library's own timeout begins
    anew with every byte."""

    deadline = 0.0

    def __init__(self, address: str) -> None:
        # An IP address: looking a name up has no timeout.
        super().__init__(address)

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
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._connection = connection

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(self._connection.left())
        super().sendall(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(self._connection.left())
        return super().recv_into(*arguments)
