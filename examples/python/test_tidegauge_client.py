"""What tidegauge_client.py promises, against gauges that answer badly or not at all.

`python3 -m unittest test_tidegauge_client`; nothing to install.
"""

import contextlib
import logging
import os
import socket
import threading
import time
import unittest

from tidegauge_client import KEPT_MAX, PAUSE_AFTER_FAILURE_SECONDS, READ_LOCAL, READ_SOURCE_REGION, UNKNOWN, Gauge

TIMEOUT_SECONDS = 0.2
# What a busy machine may add.
SLACK_SECONDS = 0.3


def answer(decision=READ_LOCAL, valid_for="10.000", status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\ntidegauge-decision: {decision}\r\ntidegauge-valid-for: {valid_for}\r\n{more}\r\n".encode()


class Server:
    """Answers each request with the next of these, the last for ever: bytes, sent whole, or byte by byte, or nothing."""

    def __init__(self, *answers, byte_by_byte=False, host="127.0.0.1"):
        self.answers, self.byte_by_byte = list(answers), byte_by_byte
        self.requests, self.connections = 0, 0
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
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
    def setUp(self):
        # What is logged is looked at, and not shown.
        self.logged = self.enterContext(self.assertLogs("tidegauge_client", "DEBUG"))
        logging.getLogger("tidegauge_client").debug("that there is one")

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
        more += "Tidegauge-Rests-On: policy\r\nTidegauge-Excluded: c,d\r\nTidegauge-Override-Until: 2026-12-01T12:00:00Z\r\n"
        advice = self.ask(self.serve(answer(READ_SOURCE_REGION, more=more)))
        self.assertEqual((advice.decision, advice.read_region), (READ_SOURCE_REGION, "us-east-1"))
        self.assertEqual((advice.avoid, advice.wait_seconds), ({"a", "b"}, 0.5))
        self.assertEqual((advice.rests_on, advice.excluded), ("policy", {"c", "d"}))
        self.assertEqual((advice.override_until, advice.cause), ("2026-12-01T12:00:00Z", None))
        self.assertLess(advice.until, time.monotonic() + 1, "asked for again soon, as such reads are dear")

    def test_what_the_headers_do_not_say_is_not_made_up(self):
        advice = self.ask(self.serve(answer()))
        self.assertEqual((advice.read_region, advice.wait_seconds, advice.rests_on, advice.override_until), (None,) * 4)
        self.assertEqual((advice.avoid, advice.excluded), (set(), set()))

    def test_what_is_no_advice_is_unknown(self):
        for told in [
            answer("read_tea_leaves"),
            answer(valid_for="nan"),
            answer(valid_for="inf"),
            answer(valid_for="soon"),
            answer(more="Tidegauge-Wait: nan\r\n"),
            answer(status="404 Not Found"),
            answer(status="503 Service Unavailable"),
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"no HTTP at all\r\n\r\n",
        ]:
            with self.subTest(told):
                advice = self.ask(self.serve(told))
                self.assertEqual(advice.decision, UNKNOWN)
                self.assertTrue(advice.cause)

    def test_why_it_is_unknown_is_said_and_logged_once_for_each_cause(self):
        server = self.serve(answer(status="404 Not Found"))
        gauge = self.gauge(server)
        for bound in range(3):
            advice = gauge.advice("oders", max_staleness=bound)
            self.assertEqual(advice.cause, f"store oders, gauge 127.0.0.1 port {server.port}: 404 Not Found")
        server.answers = [answer(status="400 Bad Request")]
        self.assertIn("400 Bad Request", gauge.advice("oders", max_staleness="-1s").cause)
        warned = [record.getMessage() for record in self.logged.records if record.levelname == "WARNING"]
        self.assertEqual(["404" in warned[0], "400" in warned[1], len(warned)], [True, True, 2])

    def test_an_address_that_is_none_is_refused_at_once(self):
        for address in [
            "http://127.0.0.1:9746",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "127.0.0.1:+80",
            "127.0.0.1:9746/",
            "[127.0.0.1]:9746",
            "::1:9746",
            "[::1]",
            "localhost:9746",
            "",
        ]:
            with self.subTest(address), self.assertRaisesRegex(ValueError, "an IP address and a port"):
                Gauge(address)

    def test_a_gauge_is_asked_over_ipv6(self):
        try:
            server = self.serve(answer(), host="::1")
        except OSError as error:
            self.skipTest(f"no IPv6 on this machine: {error}")
        self.assertEqual(self.ask(server).decision, READ_LOCAL)

    def test_a_bound_that_varies_does_not_fill_the_memory(self):
        gauge = self.gauge(self.serve(answer()))
        for bound in range(2 * KEPT_MAX + 1):
            self.assertEqual(gauge.advice("orders", max_staleness=bound).decision, READ_LOCAL)
        self.assertLessEqual(len(gauge._process.known), KEPT_MAX)

    @unittest.skipUnless(hasattr(os, "fork"), "nothing forks here")
    def test_a_forked_process_asks_on_a_connection_of_its_own_even_while_the_other_one_asks(self):
        server = self.serve(answer(), b"", answer(READ_SOURCE_REGION))
        gauge = self.gauge(server)
        self.assertEqual(gauge.advice("orders", max_staleness=1).decision, READ_LOCAL)
        asking = threading.Thread(target=gauge.advice, args=("orders",), kwargs={"max_staleness": 2})
        asking.start()
        while server.requests < 2:
            time.sleep(0.001)
        child = os.fork()
        if not child:
            # Nothing of the test's may go on in here.
            same = gauge.advice("orders", max_staleness=1).decision
            other = gauge.advice("orders", max_staleness=2).decision
            os._exit(0 if (same, other) == (READ_SOURCE_REGION, READ_SOURCE_REGION) else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        asking.join()
        self.assertEqual(gauge.advice("orders", max_staleness=1).decision, READ_LOCAL, "known here, as before")
        self.assertEqual((server.requests, server.connections), (4, 2))

    def test_closing_while_others_ask_lets_nothing_but_advice_out(self):
        server = self.serve(answer(valid_for="0"))
        gauge, end, heard = self.gauge(server), threading.Event(), []

        def ask_on():
            try:
                while not end.is_set():
                    heard.append(gauge.advice("orders").decision)
            except Exception as error:
                heard.append(error)

        threads = [threading.Thread(target=ask_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(200):
            gauge.close()
            time.sleep(0.001)
        end.set()
        for thread in threads:
            thread.join()
        self.assertIn(READ_LOCAL, heard)
        self.assertLessEqual(set(heard), {READ_LOCAL, UNKNOWN}, "on a busy machine some of it comes too late")

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
