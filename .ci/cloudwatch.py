"""What the gauge makes of CloudWatch, with datapoints that this check puts there itself.

Ministack has CloudWatch, too, apart for each region, and takes datapoints of AWS's own namespaces, which AWS would not.
They are there before the gauge starts, for minutes that are still to come: it sees each once that minute is over. A
verdict takes two such minutes in which heartbeats arrived, so this takes some three or four.

That CloudWatch says far too little cannot be tried here, as ministack replicates at once: less than nothing is no lag.
"""

import datetime
import json
import re
import time

from running import ENVIRONMENT, GAUGE, Failed, free_port, get, started, wait_for

import boto3

MINUTE = 60
# Datapoints are there for so many minutes from the start on: more than the check takes.
MINUTES = 10
# The truth is a lag of next to nothing. So this says the same, and that is ten times it and the floor of a second.
AGREEING_SECONDS = 0.05
DISAGREEING_SECONDS = 5.0
# A gauge that starts late in a minute has too few heartbeats in it for a comparison.
START_UNTIL_SECOND = 40
# Two minutes to compare, at most one more until the next question, and what starting takes.
VERDICTS_WITHIN_SECONDS = 200
# A minute that says 0 is over by then, and was asked about.
ZEROS_WITHIN_SECONDS = 150

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
AGREES, HIGHER, ZERO, SILENT, ASTRAY, ONCE = (US, EU), (US, AP), (EU, US), (EU, AP), (AP, US), (AP, EU)
PAIRS = [AGREES, HIGHER, ZERO, SILENT, ASTRAY, ONCE]

SETTINGS = """
[cell]
name = "contract"
central = true

[server]
listen = "127.0.0.1:{port}"

[[stores]]
name = "fed"
heartbeat = {{ interval = "1s" }}
provider = {{ every = "1m", period = "1m", delay = "0s" }}
# The table names its regions itself.
regions = "auto"
region_overrides = [{{ name = "*", endpoint = "{endpoint}", cloudwatch_endpoint = "{endpoint}" }}]

[stores.dynamodb]
table = "{table}"
partition_key = "PK"
sort_key = "SK"
"""


def say(text):
    print(f"contract: {text}", flush=True)


def feed(endpoint, table, region, receiver, points):
    """Puts average lags, by the beginning of their minutes, into one region's CloudWatch. The maximum is twice that."""
    client = boto3.client(
        "cloudwatch",
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id="check",
        aws_secret_access_key="check",
    )
    dimensions = [{"Name": "TableName", "Value": table}, {"Name": "ReceivingRegion", "Value": receiver}]
    data = [
        {
            "MetricName": "ReplicationLatency",
            "Dimensions": dimensions,
            "Timestamp": datetime.datetime.fromtimestamp(begin, datetime.timezone.utc),
            "StatisticValues": {
                "SampleCount": 4,
                "Sum": 4_000 * seconds,
                "Minimum": 0,
                "Maximum": 2_000 * seconds,
            },
            "Unit": "Milliseconds",
        }
        for begin, seconds in points
    ]
    client.put_metric_data(Namespace="AWS/DynamoDB", MetricData=data)


def feed_all(endpoint, table, first):
    """What CloudWatch is to say of each pair, from the minute that begins with `first` on."""
    minutes = [first + MINUTE * index for index in range(MINUTES)]

    def of_all(seconds):
        return [(minute, seconds) for minute in minutes]

    feed(endpoint, table, *AGREES, of_all(AGREEING_SECONDS))
    # Twice far too much, and then 0: nothing arrives any more, as far as CloudWatch can tell.
    high = [(minute, DISAGREEING_SECONDS) for minute in minutes[:2]]
    feed(endpoint, table, *HIGHER, high + [(minute, 0.0) for minute in minutes[2:]])
    feed(endpoint, table, *ZERO, of_all(0.0))
    # In the receiver's region, where nobody is to look for it.
    source, target = ASTRAY
    feed(endpoint, table, target, target, of_all(DISAGREEING_SECONDS))
    once = [(minutes[0], DISAGREEING_SECONDS)] + [(minute, AGREEING_SECONDS) for minute in minutes[1:]]
    feed(endpoint, table, *ONCE, once)


def pairs(port):
    """The pairs by their regions; empty while nobody answers."""
    body = get(port, "/api/v1/pairs")
    found = json.loads(body)["data"]["pairs"] if body else []
    return {(pair["source_region"], pair["target_region"]): pair for pair in found}


def provider(found, pair):
    return (found.get(pair) or {}).get("provider") or {}


def unless(condition, message):
    if not condition:
        raise Failed(message)


def expect(found, pair, verdict, value=None, oldest=None):
    """What one pair's `provider` has to be; `oldest` is the age that its value may have, in seconds."""
    told, name = provider(found, pair), " to ".join(pair)
    unless(told.get("verdict") == verdict, f"{name}: the verdict is not {verdict}: {told}")
    unless(told["period_seconds"] == MINUTE, f"{name}: {told}")
    if value is None:
        absent = [told["value_seconds"], told["statistic"], told["as_of"], told["age_seconds"]]
        unless(absent == [None] * 4, f"{name}: something is said where nothing is: {told}")
    else:
        unless(told["value_seconds"] == value and told["statistic"] == "average", f"{name}: not {value} s: {told}")
        unless(told["as_of"].endswith(":00Z") or ":00." in told["as_of"], f"{name}: no whole minute: {told}")
        age = time.time() - datetime.datetime.fromisoformat(told["as_of"].replace("Z", "+00:00")).timestamp()
        unless(abs(told["age_seconds"] - age) < 5, f"{name}: the age is not that of its moment: {told}")
        unless(0 <= told["age_seconds"] <= oldest, f"{name}: too old: {told}")
    # Whatever it says, heartbeats are measured, and so the merged lag is theirs.
    lag, merged = found[pair]["current_lag_seconds"], found[pair]["merged_lag_seconds"]
    unless(lag is not None and merged == lag, f"{name}: measured {lag} s, and merged {merged} s")
    unless(found[pair]["state"] == "ok", f"{name}: {found[pair]['state']}: {found[pair]['reason']}")
    say(f"  {name}: {told['verdict']}, {told['value_seconds']} s of {told['as_of']}; merged lag {merged:.3f} s")


def series(text, name, pair, **labels):
    """A series' value; `None` where it is absent."""
    wanted = {"source_region": pair[0], "target_region": pair[1], **labels}
    for line in text.splitlines():
        matched = re.fullmatch(name + r"\{(.*)\} (\S+)", line)
        if matched and wanted.items() <= dict(re.findall(r'(\w+)="([^"]*)"', matched[1])).items():
            return float(matched[2])
    return None


def expect_metrics(port):
    """The same, as Prometheus would find it."""
    text = get(port, "/metrics").decode()
    disagrees = {pair: series(text, "tidegauge_provider_disagrees", pair) for pair in PAIRS}
    wanted = {AGREES: 0, HIGHER: 1, ZERO: None, SILENT: None, ASTRAY: None, ONCE: 0}
    unless(disagrees == wanted, f"tidegauge_provider_disagrees: {disagrees}, not {wanted}")
    for statistic, value in [("average", AGREEING_SECONDS), ("maximum", 2 * AGREEING_SECONDS)]:
        found = series(text, "tidegauge_provider_lag_seconds", AGREES, statistic=statistic)
        unless(found == value, f"tidegauge_provider_lag_seconds, {statistic}: {found}, not {value}")
    for pair in [ZERO, SILENT, ASTRAY]:
        for name in ["tidegauge_provider_lag_seconds", "tidegauge_provider_timestamp_seconds"]:
            unless(series(text, name, pair) is None, f"{name} is there for {' to '.join(pair)}, of which nothing is said")
    at = series(text, "tidegauge_provider_timestamp_seconds", AGREES)
    unless(at is not None and 0 <= time.time() - at <= 3 * MINUTE, f"tidegauge_provider_timestamp_seconds: {at}")
    for pair in PAIRS:
        unless(series(text, "tidegauge_merged_lag_seconds", pair) is not None, f"{' to '.join(pair)}: no merged lag")
        origin = series(text, "tidegauge_merged_lag_origin", pair, origin="measured")
        unless(origin == 1, f"{' to '.join(pair)}: the merged lag is not what was measured")


def check(folder, endpoint, table):
    """One run of the gauge over a table that is there, with the keys PK and SK."""
    while time.time() % MINUTE > START_UNTIL_SECOND:
        time.sleep(1)
    first = int(time.time()) // MINUTE * MINUTE
    feed_all(endpoint, table, first)
    port = free_port()
    settings = folder / "fed.toml"
    settings.write_text(SETTINGS.format(port=port, endpoint=endpoint, table=table))
    say("what CloudWatch says, minute by minute; this takes three or four")
    environment = ENVIRONMENT | {"AWS_REGION": US}
    with started([str(GAUGE), "--config", str(settings), "run"], folder / "fed.log", environment) as gauge:

        def judged():
            found = pairs(port)
            verdicts = [provider(found, pair).get("verdict") for pair in [AGREES, HIGHER, ONCE]]
            return found if verdicts == ["agrees", "disagrees_provider_higher", "agrees"] else None

        try:
            found = wait_for("verdicts", VERDICTS_WITHIN_SECONDS, judged, gauge)
        except Failed:
            for pair, one in pairs(port).items():
                say(f"  {' to '.join(pair)}: {one['state']}: {one['provider']}")
            raise
        say(f"verdicts after {time.time() - first:.0f} s since the first minute began:")
        expect(found, AGREES, "agrees", AGREEING_SECONDS, 3 * MINUTE)
        expect(found, HIGHER, "disagrees_provider_higher", DISAGREEING_SECONDS, 3 * MINUTE)
        for pair in [ZERO, SILENT, ASTRAY]:
            expect(found, pair, "unknown")
        expect(found, ONCE, "agrees", AGREEING_SECONDS, 3 * MINUTE)
        expect_metrics(port)

        # The third minute says 0 where the second one disagreed. The pair beside it, which comes from the same region and
        # so in the same answer, tells when that minute was asked about.
        third = datetime.datetime.fromtimestamp(first + 3 * MINUTE, datetime.timezone.utc)
        reached = third.strftime("%Y-%m-%dT%H:%M:%S")

        def asked():
            return (provider(pairs(port), AGREES).get("as_of") or "") >= reached

        wait_for("the minute that says 0", ZEROS_WITHIN_SECONDS, asked, gauge)
        say("once CloudWatch says 0:")
        found = pairs(port)
        expect(found, HIGHER, "disagrees_provider_higher", DISAGREEING_SECONDS, 5 * MINUTE)
        expect(found, AGREES, "agrees", AGREEING_SECONDS, 3 * MINUTE)
        expect_metrics(port)
