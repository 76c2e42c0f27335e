#!/usr/bin/env python3
"""An application in one cell, on a container of Azure Cosmos DB with multi-region writes: it reads where the gauge says, and
debits where it is safe to.

`CreditAccounts` is the application; what it goes through is in scenario.py.
"""

import os
import sys
import time
import uuid
from argparse import Namespace
from typing import Any

from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, CosmosClient, CosmosDict
from azure.cosmos.exceptions import CosmosAccessConditionFailedError, CosmosResourceNotFoundError

import scenario
from scenario import Account, NotFound, Refused
from tidegauge_client import READ_LOCAL, REFUSE, UNKNOWN, USE_SESSION_TOKEN, Advice, Gauge

DATABASE, CONTAINER = "cell-state", "orders"
# How often a debit is tried when others debit the same account at the same time.
TRIES = 10


def short(region: str) -> str:
    """A region by the name that the gauge gives it: `East US` is `eastus`."""
    return region.lower().replace(" ", "")


class CreditAccounts:
    """The accounts as a cell in `local` sees them. Each has one home region, in which alone it is debited."""

    def __init__(self, local: str, home: str, endpoint: str, key: str, gauge: Gauge, store: str, bound: float) -> None:
        self.local, self.home = local, home
        self._gauge, self._store, self._bound = gauge, store, bound
        # Of the newest debit made here. Whoever must see it gets it along, in a message say.
        self.token: str | None = None

        def container(regions: list[str], consistency: str | None = None) -> ContainerProxy:
            # The SDK's care for availability hides how old things are: left alone it asks another region when one is slow, and
            # sends writes to the account's first region. So there is one client for each way to read, and the region that a
            # client must not ask is excluded.
            client = CosmosClient(
                endpoint,
                key,
                consistency_level=consistency,
                preferred_locations=regions,
                excluded_locations=list({local, home} - set(regions)),
                multiple_write_locations=True,
                connection_timeout=1,
                read_timeout=1,
                # Else a read of a region that hangs is tried again and again, and takes many times as long.
                retry_connect=0,
                retry_read=0,
            )
            return client.get_database_client(DATABASE).get_container_client(CONTAINER)

        # "Eventual" here: the local replica answers with what it has, and no session of the SDK's own is mixed in.
        self._here = container([local], "Eventual")
        self._home = container([home])
        # Only for reads with a token: whichever region has got so far.
        self._nearest = container(list(dict.fromkeys([local, home])), "Session")

    def advice(self, has_token: bool = False) -> Advice:
        question: dict[str, str | float] = {"max_staleness": self._bound, "source_region": short(self.home)}
        if has_token:
            question["session_token"] = "true"
        return self._gauge.advice(self._store, **question)

    def read(self, account: str, token: str | None = None) -> Account:
        """An account no older than the bound, or `Refused`.

        With the session token of a debit the account has that debit in it, and that alone is promised: where the replica
        here is too old, other people's debits may be missing without any limit. Who decides by the balance needs no token."""
        advice = self.advice(has_token=token is not None)
        if advice.decision == REFUSE:
            # The home is in trouble, too: there is no read that would be safe.
            raise Refused(account)
        if token and advice.decision == USE_SESSION_TOKEN:
            # A replica that has not got so far says so, and the SDK asks the next region.
            return _get(self._nearest, None, account, token)
        if advice.decision == READ_LOCAL:
            # The bound is the advice's. A token adds the caller's own debit, should it be younger than that.
            found = _get(self._nearest, None, account, token) if token else self.read_here(account)
            if advice.holds(found.read_at):
                return found
        # What the advice says, and what is safe where there is none, token or not: the home region has it all.
        return _get(self._home, self.home, account)

    def debit(self, account: str, amount: int, request: str | None = None) -> bool:
        """Debits an account. The document is replaced only if it is as it was read, which the home region decides, and there
        is one such region: no debit can be overwritten by another that did not know of it.

        What failed without an answer may have happened. Whoever tries again says the same `request`, any unique text: it is
        debited once **if no other debit of the account came in between**, as it knows its last request alone."""
        request = request or str(uuid.uuid4())
        for _ in range(TRIES):
            found = _item_in(self._home, account)
            if found.get("last_request") == request:
                # Done already: in an earlier call, or by a try of the SDK's own whose answer was lost.
                self.token = _token_of(found)
                return True
            if found["balance"] < amount:
                return False
            try:
                done = self._home.replace_item(
                    account,
                    _item(account, found["balance"] - amount, found["serial"] + 1) | {"last_request": request},
                    etag=found["_etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
            except CosmosAccessConditionFailedError:
                continue
            self.token = _token_of(done)
            return True
        raise TimeoutError(f"{account} is debited by too many at once")

    # What follows is for the comparison.

    def open(self, account: str, balance: int) -> None:
        self._home.upsert_item(_item(account, balance, 0))

    def read_here(self, account: str) -> Account:
        """Do not decide by it: nobody knows how old it is."""
        return _get(self._here, self.local, account)

    def debit_here(self, account: str, amount: int) -> bool:
        """Do not copy: the condition holds in this region. The same may hold in another at the same time, and then the last
        of both writers wins everywhere."""
        found = _item_in(self._here, account)
        if found["balance"] < amount:
            return False
        try:
            self._here.replace_item(
                account,
                _item(account, found["balance"] - amount, found["serial"] + 1),
                etag=found["_etag"],
                match_condition=MatchConditions.IfNotModified,
            )
        except CosmosAccessConditionFailedError:
            return False
        return True


def _item_in(container: ContainerProxy, account: str, token: str | None = None) -> CosmosDict:
    try:
        return container.read_item(account, partition_key=account, session_token=token)
    except CosmosResourceNotFoundError as error:
        raise NotFound(account) from error


def _get(container: ContainerProxy, region: str | None, account: str, token: str | None = None) -> Account:
    found = _item_in(container, account, token)
    return Account(region, found["balance"], found["serial"], time.monotonic())


def _item(account: str, balance: int, serial: int) -> dict[str, Any]:
    return {"id": account, "pk": account, "balance": balance, "serial": serial}


def _token_of(answer: CosmosDict) -> str | None:
    return answer.get_response_headers().get("x-ms-session-token")


class Unknowing(Gauge):
    """What a gauge is that does not answer."""

    def advice(self, store: str, **question: str | float) -> Advice:
        return Advice(UNKNOWN, time.monotonic())


def token_shows_debits(
    lab: scenario.Lab, home: CreditAccounts, here: CreditAccounts, unadvised: CreditAccounts, given: Namespace
) -> bool:
    """Whether who has the writer's token sees debits that have not been replicated; and whether a token that the replica here
    can serve is not taken for advice where there is none."""
    home.open("tokened", 4)
    home.debit("tokened", 1)
    replicated = home.token
    scenario.until("the account arrives", 30, lambda: here.read_here("tokened").balance == 3)
    lab.post("/pause", **scenario.pair(given))
    try:
        for _ in range(3):
            home.debit("tokened", 1)
        is_kept = here.read("tokened", home.token).balance == 0 and unadvised.read("tokened", replicated).balance == 0
        return is_kept and here.read_here("tokened").balance == 3
    finally:
        lab.post("/resume", **scenario.pair(given))


def main() -> int:
    given = scenario.arguments(__doc__, home="East US", local="West Europe", store="carts")
    lab = scenario.Lab(given.lab, under="/cosmos")
    # The account's address; each region's is learned from it.
    endpoint, key = lab.endpoints()[given.home], os.environ.get("COSMOS_KEY", "bGFi")

    def cell(region: str, gauge: Gauge) -> CreditAccounts:
        return CreditAccounts(region, given.home, endpoint, key, gauge, given.store, given.bound)

    home, here = cell(given.home, Gauge(given.gauge_home)), cell(given.local, Gauge(given.gauge_local))
    unadvised = cell(given.local, Unknowing())
    if not token_shows_debits(lab, home, here, unadvised, given) and given.expect:
        print("does not hold: with the writer's token its debits are seen everywhere, without advice all are", file=sys.stderr)
        return 1
    return scenario.run(lab, home, here, given)


if __name__ == "__main__":
    sys.exit(main())
