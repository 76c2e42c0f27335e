"""A stand-in for CloudWatch, on loopback, that has always known a global table: whatever minute is asked about, it says the same of
it. So a gauge finds datapoints at its first question, where a real one would have to gather them first. It serves an
Alertmanager's API as well, which takes everything and remembers nothing.

The contract has a CloudWatch that is somebody else's (cloudwatch.py). What this one is for is that there is something to show.
"""

import contextlib
import datetime
import http.server
import struct
import threading

MINUTE = 60
# Milliseconds: about what the lab's lag is, …
AVERAGE, MAXIMUM = 720.0, 2_100.0
# … and of what arrives in the first of the regions ten times as much, which is not what heartbeats find.
FACTOR = 10.0


class Tagged:
    """A CBOR item behind a tag. 1 is seconds since 1970."""

    def __init__(self, tag, item):
        self.tag = tag
        self.item = item


def decode(data, at=0):
    """A CBOR item (RFC 8949) of `data`, and where it ends. Tags are dropped, and a break is `Ellipsis`."""
    kind, argument = data[at] >> 5, data[at] & 31
    at += 1
    if kind == 7:
        size, form = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}.get(argument, (0, None))
        if form:
            return struct.unpack(form, data[at : at + size])[0], at + size
        return {20: False, 21: True, 31: ...}.get(argument), at
    indefinite = argument == 31
    if 24 <= argument <= 27:
        size = 1 << (argument - 24)
        argument, at = int.from_bytes(data[at : at + size]), at + size
    if kind == 0:
        return argument, at
    if kind == 1:
        return -1 - argument, at
    if kind in (2, 3) and not indefinite:
        text = data[at : at + argument]
        return (text.decode() if kind == 3 else text), at + argument
    if kind == 6:
        return decode(data, at)
    items = []
    while indefinite or len(items) < argument * (2 if kind == 5 else 1):
        item, at = decode(data, at)
        if item is ...:
            break
        items.append(item)
    if kind == 4:
        return items, at
    if kind == 5:
        return dict(zip(items[::2], items[1::2])), at
    return (b"" if kind == 2 else "").join(items), at


def encode(item):
    """What is needed of CBOR to answer."""

    def head(kind, argument):
        if argument < 24:
            return bytes([kind << 5 | argument])
        return bytes([kind << 5 | 26]) + argument.to_bytes(4, "big")

    match item:
        case Tagged():
            return head(6, item.tag) + encode(item.item)
        case float():
            return b"\xfb" + struct.pack(">d", item)
        case str():
            return head(3, len(item.encode())) + item.encode()
        case list():
            return head(4, len(item)) + b"".join(map(encode, item))
        case dict():
            return head(5, len(item)) + b"".join(encode(key) + encode(value) for key, value in item.items())
    raise TypeError(type(item))


def result(query, begin, end, late):
    """What is said of one metric: a datapoint for each minute, the newest first."""
    stat = query["MetricStat"]
    dimensions = {one["Name"]: one["Value"] for one in stat["Metric"]["Dimensions"]}
    minutes, values = [], []
    if stat["Metric"]["MetricName"] == "ReplicationLatency":
        minutes = list(range(int(end) // MINUTE * MINUTE - MINUTE, int(begin) - 1, -MINUTE))
        value = AVERAGE if stat["Stat"] == "Average" else MAXIMUM
        values = [value * (FACTOR if dimensions["ReceivingRegion"] == late else 1)] * len(minutes)
    return {
        "Id": query["Id"],
        "Label": stat["Metric"]["MetricName"],
        "StatusCode": "Complete",
        "Timestamps": [Tagged(1, float(minute)) for minute in minutes],
        "Values": values,
    }


def seconds(instant):
    if isinstance(instant, str):
        return datetime.datetime.fromisoformat(instant).timestamp()
    return instant


@contextlib.contextmanager
def serving(regions):
    """Serves for as long as the block lasts, and yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def reply(self, kind, body):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if kind == "application/cbor":
                self.send_header("smithy-protocol", "rpc-v2-cbor")
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.reply("application/json", b"[]")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.endswith("/GetMetricData"):
                self.reply("application/json", b"{}")
                return
            asked, _ = decode(body)
            begin, end = seconds(asked["StartTime"]), seconds(asked["EndTime"])
            results = [result(query, begin, end, regions[0]) for query in asked["MetricDataQueries"]]
            self.reply("application/cbor", encode({"MetricDataResults": results, "Messages": []}))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
