"""What tidegauge_client.py promises, against gauges that answer badly or not at all.

`python3 -m unittest test_tidegauge_client`; nothing to install.
"""

import contextlib
import socket
import threading
import time
import unittest

from tidegauge_client import PAUSE_AFTER_FAILURE_SECONDS, READ_LOCAL, READ_SOURCE_REGION, UNKNOWN, Gauge

TIMEOUT_SECONDS = 0.2
# What a busy machine may add.
SLACK_SECONDS = 0.3


def answer(decision=READ_LOCAL, valid_for="10.000", status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\ntidegauge-decision: {decision}\r\ntidegauge-valid-for: {valid_for}\r\n{more}\r\n".encode()


class Server:
    """Answers each request with the next of these, the last for ever: bytes, sent whole, or byte by byte, or nothing."""

    def __init__(self, *answers, byte_by_byte=False):
        self.answers, self.byte_by_byte = list(answers), byte_by_byte
        self.requests, self.connections = 0, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            while connection.recv(65536):
                self.requests += 1
                told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if not self.byte_by_byte:
                    connection.sendall(told)
                    continue
                for byte in told:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)


class Client(unittest.TestCase):
    def serve(self, *answers, **how):
        server = Server(*answers, **how)
        self.addCleanup(server.close)
        return server

    def gauge(self, server):
        gauge = Gauge(server.address, TIMEOUT_SECONDS)
        self.addCleanup(gauge.close)
        return gauge

    def ask(self, server, gauge=None):
        gauge = gauge or self.gauge(server)
        begun = time.monotonic()
        advice = gauge.advice("orders", max_staleness=6)
        self.assertLess(time.monotonic() - begun, TIMEOUT_SECONDS + SLACK_SECONDS)
        return advice

    def test_an_answer_is_kept_for_as_long_as_it_holds_and_the_connection_beyond_that(self):
        server = self.serve(answer(valid_for="0.300"))
        gauge, begun = self.gauge(server), time.monotonic()
        advice = self.ask(server, gauge)
        self.assertEqual(advice.decision, READ_LOCAL)
        self.assertGreaterEqual(advice.until, begun + 0.3)
        self.assertLess(advice.until, time.monotonic() + 0.3, "from before the question left")
        self.assertEqual((self.ask(server, gauge), server.requests), (advice, 1))
        time.sleep(max(0, advice.until - time.monotonic()))
        self.assertFalse(advice.holds(time.monotonic()))
        self.assertNotEqual(self.ask(server, gauge), advice)
        self.assertEqual((server.requests, server.connections), (2, 1))

    def test_what_the_headers_say_comes_along(self):
        more = "Tidegauge-Read-Region: us-east-1\r\nTidegauge-Avoid: a, b\r\nTidegauge-Wait: 0.5\r\n"
        advice = self.ask(self.serve(answer(READ_SOURCE_REGION, more=more)))
        self.assertEqual((advice.decision, advice.read_region), (READ_SOURCE_REGION, "us-east-1"))
        self.assertEqual((advice.avoid, advice.wait_seconds), ({"a", "b"}, 0.5))
        self.assertLess(advice.until, time.monotonic() + 1, "asked for again soon, as such reads are dear")

    def test_what_is_no_advice_is_unknown(self):
        for told in [
            answer("read_tea_leaves"),
            answer(valid_for="nan"),
            answer(valid_for="inf"),
            answer(valid_for="soon"),
            answer(status="404 Not Found"),
            answer(status="503 Service Unavailable"),
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"no HTTP at all\r\n\r\n",
        ]:
            with self.subTest(told):
                self.assertEqual(self.ask(self.serve(told)).decision, UNKNOWN)

    def test_nobody_there_is_unknown(self):
        server = self.serve(b"")
        server.close()
        self.assertEqual(self.ask(server).decision, UNKNOWN)

    def test_no_answer_is_unknown_in_time_and_not_asked_for_again_at_once(self):
        server = self.serve(b"")
        gauge = self.gauge(server)
        self.assertEqual(self.ask(server, gauge).decision, UNKNOWN)
        self.assertEqual(self.ask(server, gauge).decision, UNKNOWN)
        self.assertEqual(server.requests, 1)

    def test_an_answer_that_trickles_in_is_unknown_in_time(self):
        self.assertEqual(self.ask(self.serve(answer(), byte_by_byte=True)).decision, UNKNOWN)

    def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(self):
        server = self.serve(b"", answer(READ_SOURCE_REGION))
        gauge = self.gauge(server)
        unknown = self.ask(server, gauge)
        time.sleep(max(0, unknown.until - time.monotonic()))
        self.assertEqual(self.ask(server, gauge).decision, READ_SOURCE_REGION)
        self.assertEqual(server.connections, 2)

    def test_threads_that_ask_at_the_same_time_all_get_an_answer_in_time(self):
        server = self.serve(b"")
        gauge, heard = self.gauge(server), []
        threads = [threading.Thread(target=lambda: heard.append(self.ask(server, gauge).decision)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PAUSE_AFTER_FAILURE_SECONDS + TIMEOUT_SECONDS + SLACK_SECONDS)
        self.assertEqual(heard, [UNKNOWN] * 8)


if __name__ == "__main__":
    unittest.main()
