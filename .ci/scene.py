"""A fleet to look at: the demonstration, gauges of three cells against the lab, and a store on a bad day, all of them scraped by a
real Prometheus once a second under the shipped rules. Things go wrong in it on purpose, so that there is something to see.

Nothing listens anywhere but on loopback, and what was started is ended with the block.
"""

import contextlib
import json
import pathlib
import re
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import cloudwatch_standin
from running import ENVIRONMENT, GAUGE, ROOT, Failed, free_port, free_ports, get, started, wait_for

LAB = ROOT / "target" / "debug" / "examples" / "lab"
DEPLOY = ROOT / "deploy" / "prometheus"

# For how long the operator decides in the gauge's place, in one cell.
FORCED_SECONDS = 2 * 3600

US, EU, AP = REGIONS = "us-east-1", "eu-west-1", "ap-southeast-2"

# Cells on the lab's table: a gauge for each region, which all measure on two clocks, a second one that stands by in the first, and
# an observer.
LAB_STORE = """
role = "{role}"

[cell]
{cell}

[server]
listen = "127.0.0.1:{port}"

[clock]
# They are on one host, and so is every clock.
max_error = "20ms"

{more}

[[stores]]
name = "payments"
heartbeat = {{ interval = "1s", slots = 2 }}
inspect_every = "10s"
{provider}
regions = [{regions}]

[stores.advice]
max_staleness = "5s"
{advice}

[stores.dynamodb]
table = "GlobalCellState"
partition_key = "PK"
sort_key = "SK"
"""

# Short patience, so that alerts of the gauge's own are pending and firing within a short run; and two Alertmanagers to tell, of
# which one takes what it is told and one is not there.
OWN_ALERTS = """
[alerts.push]
alertmanagers = [{{ url = "http://127.0.0.1:{alertmanager}" }}, {{ url = "http://127.0.0.1:9" }}]

[[alerts.rules]]
name = "TidegaugeStalled"
page = {{ for = "5s" }}

[[alerts.rules]]
name = "TidegaugeThrottled"
ticket = {{ for = "5s" }}
"""

# Exists in its gauge only. us-west-2 throttles, and eu-central-1 is lost after a while and left out of account.
BAD_DAY = """
[cell]
name = "usw2-a"
central = true

[server]
listen = "127.0.0.1:{port}"

{more}

[[stores]]
name = "inventory"
heartbeat = {{ interval = "250ms" }}
regions = [{{ name = "us-east-1" }}, {{ name = "us-west-2" }}, {{ name = "eu-central-1" }}]

[stores.advice]
max_staleness = "3s"
lost_source = "exclude"
exclude_after = "10s"

[stores.simulated]
seed = 5
lag = {{ median = "300ms", sigma = 0.2 }}
events = [
  {{ kind = "region_down", region = "eu-central-1", offset = "{down}s", lasts = "59m", every = "1h" }},
  {{ kind = "throttle", region = "us-west-2", offset = "{throttle}s", lasts = "{throttled}s", every = "1h" }},
]
"""


class Scene:
    """What runs, and since when."""

    def __init__(self, prometheus, lab):
        self.prometheus = prometheus
        self.lab = lab
        self.begun = time.time()

    def age(self):
        return time.time() - self.begun

    def query(self, path, **parameters):
        """What Prometheus answers: its `data`. Its complaint is raised as `Failed`."""
        address = f"http://127.0.0.1:{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise Failed(json.loads(error.read()).get("error", str(error))) from error

    def break_something(self, what, **how):
        """Works the lab by hand."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.lab}/{what}",
            data=json.dumps(how).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass


def prometheus_settings(folder, ports):
    """The shipped example, with these gauges as its targets and once a second, and the shipped rules as often."""
    rules, count = re.subn(r"(?m)^(    interval: ).*$", r"\g<1>1s", (DEPLOY / "rules.yml").read_text())
    if not count:
        raise Failed("the shipped rules have no group with an interval of its own; see whether the scene still has to change any")
    (folder / "rules.yml").write_text(rules)
    text = (DEPLOY / "prometheus.yml").read_text()
    targets = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    for pattern, replacement in [
        (r"(scrape_interval|evaluation_interval): 15s", r"\1: 1s"),
        (r'\["127\.0\.0\.1:9747"\]', f"[{targets}]"),
        # Nobody is to be told.
        (r'\["127\.0\.0\.1:9093"\]', "[]"),
    ]:
        text, count = re.subn(pattern, replacement, text)
        if not count:
            raise Failed(f"deploy/prometheus/prometheus.yml has no {pattern} any more; the scene replaces it")
    settings = folder / "prometheus.yml"
    settings.write_text(text)
    return settings


def lab_settings(folder, name, role, cell, port, base, cloudwatch, more="", advice=""):
    regions = []
    for offset, region in enumerate(REGIONS, 1):
        endpoints = f'name = "{region}", endpoint = "http://127.0.0.1:{base + offset}"'
        if role == "gauge":
            endpoints += f', cloudwatch_endpoint = "http://127.0.0.1:{cloudwatch}"'
        regions.append(f"{{ {endpoints} }}")
    provider = 'provider = { every = "1m", period = "1m", delay = "0s" }' if role == "gauge" else ""
    settings = folder / f"{name}.toml"
    settings.write_text(
        LAB_STORE.format(
            role=role,
            cell=cell,
            port=port,
            more=more,
            provider=provider,
            regions=", ".join(regions),
            advice=advice,
        )
    )
    return settings


def ask_for_advice(ports, ended):
    """What an application would do, once a second each, so that there is something to count."""
    questions = [
        (ports["demo"], "store=orders&target_region=ap-southeast-2"),
        (ports["demo"], "store=sessions&target_region=eu-west-1"),
        (ports["use1-a"], "store=payments"),
        (ports["euw1-a"], "store=payments"),
        (ports["euw1-a-pod"], "store=payments&max_staleness=10s"),
        (ports["apse2-a"], "store=payments"),
        (ports["usw2-a"], "store=inventory&target_region=us-east-1"),
    ]
    while not ended.wait(1):
        for port, question in questions:
            get(port, f"/api/v1/advice?{question}")


@contextlib.contextmanager
def playing(folder, throttle=(5, 3000), lost=5):
    """Starts all of it and yields the `Scene`. Throttling of the simulated region begins, and lasts, so many seconds."""
    with contextlib.ExitStack() as running:
        base = free_ports(1 + len(REGIONS))
        lab_command = [str(LAB), "--port-base", str(base), "--regions", ",".join(REGIONS), "--lag", "700ms"]
        lab = running.enter_context(started(lab_command, folder / "lab.log", ENVIRONMENT))
        wait_for("the lab", 10, lambda: get(base, "/state"), lab)
        cloudwatch = running.enter_context(cloudwatch_standin.serving(REGIONS))
        names = ["demo", "use1-a", "use1-a-2", "euw1-a", "apse2-a", "euw1-a-pod", "usw2-a"]
        ports = {name: free_port() for name in names}

        def gauge(name, arguments):
            # Each on a host of its own, as far as it knows: so they have clocks to compare.
            environment = ENVIRONMENT | {
                "TIDEGAUGE__SERVER__LISTEN": f"127.0.0.1:{ports[name]}",
                "TIDEGAUGE_TEST_HOST": name,
            }
            process = running.enter_context(started([str(GAUGE), *arguments], folder / f"{name}.log", environment))
            wait_for(name, 10, lambda: get(ports[name], "/-/ready"), process)

        def on_lab(name, role, cell, **more):
            settings = lab_settings(folder, name, role, cell, ports[name], base, cloudwatch, **more)
            gauge(name, ["--config", str(settings), "run"])

        gauge("demo", ["demo"])
        on_lab("use1-a", "gauge", f'name = "use1-a"\naws_region = "{US}"')
        on_lab("euw1-a", "gauge", f'name = "euw1-a"\naws_region = "{EU}"')
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + FORCED_SECONDS))
        forced = f'overrides = [{{ decision = "read_home_region", until = {until}, reason = "being tried" }}]'
        on_lab("apse2-a", "gauge", f'name = "apse2-a"\naws_region = "{AP}"', advice=forced)
        on_lab("use1-a-2", "gauge", f'name = "use1-a"\naws_region = "{US}"')
        on_lab("euw1-a-pod", "observer", f'name = "euw1-a"\naws_region = "{EU}"')
        bad_day = folder / "bad-day.toml"
        own = OWN_ALERTS.format(alertmanager=cloudwatch)
        bad_day.write_text(
            BAD_DAY.format(port=ports["usw2-a"], more=own, throttle=throttle[0], throttled=throttle[1], down=lost)
        )
        gauge("usw2-a", ["--config", str(bad_day), "run"])

        port = free_port()
        command = [shutil.which("prometheus") or "prometheus", f"--config.file={prometheus_settings(folder, ports.values())}"]
        command += [f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address=127.0.0.1:{port}"]
        # As the example says.
        command += ["--rules.alert.for-grace-period=1m", "--log.level=warn"]
        prometheus = running.enter_context(started(command, folder / "prometheus.log", ENVIRONMENT))
        wait_for("Prometheus", 15, lambda: get(port, "/-/ready"), prometheus)
        scene = Scene(port, base)

        ended = threading.Event()
        asking = threading.Thread(target=ask_for_advice, args=(ports, ended), daemon=True)
        asking.start()
        try:
            yield scene
        finally:
            ended.set()
            asking.join(10)
