"""What both example applications go through, and what is held against what they decided.

Two accounts with a credit balance, whose home is one region, and a cell of the application in that region and in another.
`watched` is spent in its home alone, and read in the other cell: when each debit left and when it was acknowledged is known
here, so how old a value is that somebody decides by is known, too. `contested-…` are spent in both cells at once: in the end
it is known how many debits were acknowledged, and how many are in the balance.

The application without advice and the one with it run side by side, in the same weather. The weather is made through the
lab's control API.
"""

import argparse
import contextlib
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from tidegauge_client import READ_LOCAL, Advice

WATCHED, RETRIED = "watched", "retried"
# How often the home debits the watched account, how often the other cell decides, how often each cell debits.
SPEND_SECONDS, DECIDE_SECONDS, DEBIT_SECONDS = 0.2, 0.1, 0.25
# The lab's own lag, to which the weather returns.
LAG = {"median_seconds": 0.8, "sigma": 0.25}
# Local reads that there must be at least, of those decided on while the replica here is young.
CALM_LOCAL_MIN = 0.9


@dataclass(frozen=True)
class Account:
    """An account as it was read: where, and when it was in hand (`time.monotonic()`)."""

    # None where it is not known: the first that had got so far.
    region: str | None
    balance: int
    serial: int
    read_at: float


class Refused(Exception):
    """There is no read that could be relied on: the application decides nothing."""


class NotFound(LookupError):
    """There is no such account where it was looked for."""


class Accounts(Protocol):
    """One cell's way to the accounts."""

    local: str
    home: str

    def advice(self) -> Advice:
        """The gauge's, for what is at home in the home region."""

    def open(self, account: str, balance: int) -> None: ...

    def read(self, account: str) -> Account:
        """By the gauge's advice."""

    def debit(self, account: str, amount: int, request: str | None = None) -> bool:
        """In the account's home region, on condition. False: the balance does not allow it. What was the account's last
        `request` is not done again."""

    def read_here(self, account: str) -> Account:
        """Without advice: whatever the local replica has."""

    def debit_here(self, account: str, amount: int) -> bool:
        """Without advice: on condition that the *local* replica is as it was read."""


class Lab:
    """The control API of `cargo run --example lab`; `under` is `/cosmos` for the account of Cosmos DB."""

    def __init__(self, address: str, under: str = "") -> None:
        self._address = address + under

    def endpoints(self) -> dict[str, str]:
        with urllib.request.urlopen(self._address + "/state", timeout=5) as answer:
            return {region["name"]: region["endpoint"] for region in json.load(answer)["regions"]}

    def post(self, path: str, **body: object) -> None:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._address + path, json.dumps(body).encode(), headers)
        urllib.request.urlopen(request, timeout=30).close()


class Truth:
    """When each debit of the watched account left, and when it was acknowledged; by serial, counting from 1."""

    def __init__(self) -> None:
        self._writes: list[tuple[float, float | None]] = []

    def leaves(self) -> None:
        self._writes.append((time.monotonic(), None))

    def acknowledged(self) -> None:
        self._writes[-1] = (self._writes[-1][0], time.monotonic())

    def age(self, seen: Account) -> tuple[float, float]:
        """How old what was read was when it was in hand: since the commit of the oldest debit that is not in it. The commit
        lies between leaving and acknowledgment, so the age between these two."""
        missing = self._writes[seen.serial : seen.serial + 1]
        if not missing:
            return 0.0, 0.0
        left, acknowledged = missing[0]
        return max(0.0, seen.read_at - (acknowledged or seen.read_at)), max(0.0, seen.read_at - left)


@dataclass
class Decisions:
    """What the other cell decided by."""

    made: int = 0
    read_here: int = 0
    refused: int = 0
    # Certainly older than the bound; and perhaps, as the debit may have been committed as soon as it left.
    too_old: int = 0
    perhaps_too_old: int = 0
    oldest_seconds: float = 0.0
    # Those made while the replica here was younger than half the bound.
    calm: int = 0
    calm_read_here: int = 0

    def note(self, seen: Account, age: tuple[float, float], here: str, is_calm: bool, bound: float) -> None:
        is_here = seen.region == here
        self.made += 1
        self.read_here += is_here
        self.too_old += age[0] > bound
        self.perhaps_too_old += age[1] > bound
        self.oldest_seconds = max(self.oldest_seconds, age[1])
        self.calm += is_calm
        self.calm_read_here += is_calm and is_here


@dataclass
class Debits:
    """What became of a contested account."""

    held: int
    acknowledged: int = 0
    failed: int = 0
    # Acknowledged, and not in the balance that all regions came to.
    lost: int = 0
    # Acknowledged beyond what the account held.
    overdrawn: int = 0

    def settle(self, balance: int) -> None:
        self.lost = self.acknowledged - (self.held - balance)
        self.overdrawn = max(0, self.acknowledged - self.held)


def arguments(about: str, **defaults: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--lab", default="http://127.0.0.1:19000", help="the lab's control API")
    parser.add_argument("--home", default=defaults["home"], help="home region of the accounts")
    parser.add_argument("--local", default=defaults["local"], help="the region whose cell reads them")
    parser.add_argument("--gauge-home", default="127.0.0.1:9746", help="the gauge of the cell at home")
    parser.add_argument("--gauge-local", default="127.0.0.1:9756", help="the gauge of the other cell")
    parser.add_argument("--store", default=defaults["store"], help="the store's name in the gauges' settings")
    parser.add_argument("--bound", type=float, default=6.0, help="seconds that what is decided by may be old")
    parser.add_argument("--seconds", type=float, default=36.0, help="how long it runs; six bounds or more")
    parser.add_argument(
        "--weather", default="spike,pause", help="of spike, pause, hold: the lag rises, the link stops, one partition stops"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--expect", choices=["in-order", "independent"], help="end with 1 unless the promises for such a lab hold"
    )
    given = parser.parse_args()
    given.weather = given.weather.split(",")
    if unknown := set(given.weather) - {"spike", "pause", "hold"}:
        parser.error(f"there is no weather {', '.join(unknown)}")
    if given.seconds < 3 * given.bound * len(given.weather):
        parser.error("each weather takes three bounds: make --seconds longer or --bound smaller")
    return given


def every(seconds: float, end: threading.Event) -> Iterator[None]:
    """Ticks until the end; one that comes late is not made up for."""
    while not end.wait(seconds):
        yield


def spend(home: Accounts, truth: Truth, end: threading.Event) -> None:
    for _ in every(SPEND_SECONDS, end):
        truth.leaves()
        home.debit(WATCHED, 1)
        truth.acknowledged()


def decide(here: Accounts, truth: Truth, bound: float, tallies: dict[str, Decisions], end: threading.Event) -> None:
    for _ in every(DECIDE_SECONDS, end):
        seen = here.read_here(WATCHED)
        age = truth.age(seen)
        is_calm = age[1] < bound / 2
        tallies["without"].note(seen, age, here.local, is_calm, bound)
        try:
            seen = here.read(WATCHED)
        except Refused:
            tallies["with"].refused += 1
        else:
            tallies["with"].note(seen, truth.age(seen), here.local, is_calm, bound)


def whole(work: Callable[[], None], end: threading.Event, broken: list[Exception]) -> None:
    """Works until the end, or ends it all: what is counted of a part of the time proves nothing."""
    try:
        work()
    except Exception as error:
        broken.append(error)
        end.set()


def pay(pay_once: Callable[[], bool], debits: Debits, lock: threading.Lock, end: threading.Event) -> None:
    for _ in every(DEBIT_SECONDS, end):
        try:
            is_done = pay_once()
        except Exception as error:
            # Whatever it was, nobody knows what became of the debit.
            print(f"a debit failed: {error}", file=sys.stderr)
            with lock:
                debits.failed += 1
        else:
            with lock:
                debits.acknowledged += is_done


def pay_by_advice(cell: Accounts, account: str) -> bool:
    """Looks first, where it is cheap to; the condition in the home region has the last word."""
    try:
        return cell.read(account).balance >= 1 and cell.debit(account, 1)
    except Refused:
        return False


def pair(given: argparse.Namespace) -> dict[str, str]:
    """The link that has the weather."""
    return {"source_region": given.home, "target_region": given.local}


def is_debited_once(home: Accounts) -> bool:
    """Whether a debit that is tried again is done once, to the last unit, and another one is another."""
    home.open(RETRIED, 2)
    done = [home.debit(RETRIED, 1, request) for request in ("first", "first", "second", "second", "third")]
    return done == [True, True, True, True, False] and home.read_here(RETRIED).balance == 0


def make_weather(lab: Lab, given: argparse.Namespace, end: threading.Event) -> None:
    """Each weather has its share of the time, and begins after a quarter of it."""
    link = pair(given)
    share = given.seconds / len(given.weather)
    for weather in given.weather:
        begun = time.monotonic()
        end.wait(share / 4)
        if weather == "spike":
            lab.post("/lag", **link, median_seconds=1.5 * given.bound)
            end.wait(0.5 * given.bound)
            lab.post("/lag", **link, **LAG)
        elif weather == "pause":
            lab.post("/pause", **link)
            end.wait(1.5 * given.bound)
            lab.post("/resume", **link)
        else:
            lab.post("/hold", **link, partition_key=WATCHED)
            end.wait(1.5 * given.bound)
            lab.post("/release", **link, partition_key=WATCHED)
        end.wait(begun + share - time.monotonic())


def fair_weather(lab: Lab, given: argparse.Namespace) -> None:
    link = pair(given)
    lab.post("/lag", **link, **LAG)
    lab.post("/resume", **link)
    lab.post("/release", **link, partition_key=WATCHED)


def until(what: str, seconds: float, look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(NotFound):
            if look():
                return
        time.sleep(0.25)
    sys.exit(f"not within {seconds:.0f} s: {what}")


def is_settled(cells: list[Accounts], accounts: list[str]) -> bool:
    """Whether all regions have come to the same, and stay there for longer than replication takes."""

    def looks() -> list[tuple[int, int]]:
        seen = [cell.read_here(account) for account in accounts for cell in cells]
        return [(account.balance, account.serial) for account in seen]

    first = looks()
    time.sleep(3 * LAG["median_seconds"])
    return looks() == first and first[::2] == first[1::2]


def run(lab: Lab, home: Accounts, here: Accounts, given: argparse.Namespace) -> int:
    """Both variants, side by side; the exit code."""
    cells, contested = [home, here], {"without": "contested-without", "with": "contested-with"}
    fair_weather(lab, given)
    is_once = is_debited_once(home)
    # More than its home can spend, and less than both cells would.
    debits = {variant: Debits(held=int(given.seconds * 4)) for variant in contested}
    home.open(WATCHED, 1_000_000)
    for variant, account in contested.items():
        home.open(account, debits[variant].held)
    accounts = [WATCHED, *contested.values()]
    until("the accounts arrive", 60, lambda: is_settled(cells, accounts))
    until("the advice is to read here", 60, lambda: here.advice().decision == READ_LOCAL)

    truth, end, lock = Truth(), threading.Event(), threading.Lock()
    decisions = {variant: Decisions() for variant in contested}
    work: list[Callable[[], None]] = [
        partial(spend, home, truth, end),
        partial(decide, here, truth, given.bound, decisions, end),
    ]
    for cell in cells:
        without = partial(cell.debit_here, contested["without"], 1)
        advised = partial(pay_by_advice, cell, contested["with"])
        work += [partial(pay, without, debits["without"], lock, end), partial(pay, advised, debits["with"], lock, end)]
    broken: list[Exception] = []
    threads = [threading.Thread(target=whole, args=(one, end, broken), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    try:
        make_weather(lab, given, end)
    finally:
        end.set()
        fair_weather(lab, given)
    for thread in threads:
        thread.join(10)
    if broken:
        sys.exit(f"the application failed: {broken[0]!r}")
    until("all regions agree", 60, lambda: is_settled(cells, accounts))
    for variant, account in contested.items():
        debits[variant].settle(home.read_here(account).balance)

    figures = {variant: {"decisions": asdict(decisions[variant]), "debits": asdict(debits[variant])} for variant in contested}
    print(json.dumps(figures) if given.json else table(figures, given), flush=True)
    unkept = list(unkept_promises(figures, is_once, given.expect)) if given.expect else []
    for promise in unkept:
        print(f"does not hold: {promise}", file=sys.stderr)
    return 1 if unkept else 0


Figures = dict[str, dict[str, dict[str, Any]]]


def table(figures: Figures, given: argparse.Namespace) -> str:
    rows = [
        ("decisions made", "decisions", "made"),
        ("  by what was read here", "decisions", "read_here"),
        ("  refused", "decisions", "refused"),
        (f"  by a value older than {given.bound:g} s", "decisions", "too_old"),
        ("  oldest value, s", "decisions", "oldest_seconds"),
        (f"made while the replica here was under {given.bound / 2:g} s", "decisions", "calm"),
        ("  by what was read here", "decisions", "calm_read_here"),
        ("debits acknowledged", "debits", "acknowledged"),
        ("  with an account that held", "debits", "held"),
        ("  lost: not in the final balance", "debits", "lost"),
        ("  overdrawn", "debits", "overdrawn"),
    ]
    lines = [f"{given.store}, {given.seconds:g} s of {' and '.join(given.weather)}", f"{'':<46}{'without':>10}{'with':>10}"]
    for words, part, name in rows:
        values = [figures[variant][part][name] for variant in ("without", "with")]
        lines.append(f"{words:<46}" + "".join(f"{value:>10.2f}" if name.endswith("_seconds") else f"{value:>10}" for value in values))
    return "\n".join(lines)


def unkept_promises(figures: Figures, is_once: bool, lab: str) -> Iterator[str]:
    """What does not hold of what is promised for a lab in order, or for one whose keys replicate by themselves."""
    plain, advised = figures["without"], figures["with"]
    decisions = advised["decisions"]
    promises = {
        "without advice some decisions are made by values that are too old": plain["decisions"]["too_old"] > 0,
        "conditions on the local replica lose debits": plain["debits"]["lost"] > 0,
        "conditions in the home region lose none": advised["debits"]["lost"] == 0,
        "nor do they overdraw": advised["debits"]["overdrawn"] == 0,
        "a debit that is tried again at once is done once": is_once,
        "no debit failed": advised["debits"]["failed"] == plain["debits"]["failed"] == 0,
        "there was fair weather": decisions["calm"] > 0,
        "in fair weather nine of ten reads are local": decisions["calm_read_here"] >= CALM_LOCAL_MIN * decisions["calm"],
    }
    if lab == "in-order":
        promises["with advice no decision is made by a value that is too old"] = decisions["too_old"] == 0
    return (promise for promise, holds in promises.items() if not holds)
