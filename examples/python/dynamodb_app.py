#!/usr/bin/env python3
"""An application in one cell, on a DynamoDB global table: it reads where the gauge says, and debits where it is safe to.

`CreditAccounts` is the application; what it goes through is in scenario.py.
"""

import sys
import time
import uuid
from typing import Any

import boto3
from botocore.config import Config

import scenario
from scenario import Account, NotFound, Refused
from tidegauge_client import READ_LOCAL, READ_STRONG, REFUSE, Advice, Gauge

TABLE = "GlobalCellState"


class CreditAccounts:
    """The accounts as a cell in `local` sees them. Each has one home region, in which alone it is debited."""

    def __init__(self, local: str, home: str, endpoints: dict[str, str], gauge: Gauge, store: str, bound: float) -> None:
        self.local, self.home = local, home
        self._gauge, self._store, self._bound = gauge, store, bound
        # One client per region. No hidden retries: what fails is decided on here, while the advice still holds.
        config = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1}, max_pool_connections=20)
        self._clients = {
            region: boto3.client("dynamodb", region_name=region, endpoint_url=endpoint, config=config)
            for region, endpoint in endpoints.items()
        }

    def advice(self) -> Advice:
        return self._gauge.advice(self._store, max_staleness=self._bound, source_region=self.home)

    def read(self, account: str) -> Account:
        """An account no older than the bound, or `Refused`."""
        advice = self.advice()
        if advice.decision == REFUSE:
            # The home is in trouble, too: there is no read that would be safe.
            raise Refused(account)
        if advice.decision in (READ_LOCAL, READ_STRONG):
            found = self._get(self.local, account)
            if advice.holds(found.read_at):
                return found
        # What the advice says, and what is safe where there is none: the home region has it all.
        return self._get(self.home, account)

    def debit(self, account: str, amount: int, request: str | None = None) -> bool:
        """Debits an account. The condition is evaluated in the home region, and there is one such region: no debit can be
        overwritten by another that did not know of it.

        What failed without an answer may have happened. Whoever tries again says the same `request`, any unique text: it is
        debited once **if no other debit of the account came in between**, as it knows its last request alone."""
        client = self._clients[self.home]
        request = request or str(uuid.uuid4())
        try:
            client.update_item(
                TableName=TABLE,
                Key=_key(account),
                UpdateExpression="SET balance = balance - :amount, serial = serial + :one, last_request = :request",
                ConditionExpression="balance >= :amount AND (attribute_not_exists(last_request) OR last_request <> :request)",
                ExpressionAttributeValues={":amount": {"N": str(amount)}, ":one": {"N": "1"}, ":request": {"S": request}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except client.exceptions.ConditionalCheckFailedException as refusal:
            # Done already, or not enough there.
            return refusal.response.get("Item", {}).get("last_request") == {"S": request}
        return True

    def _get(self, region: str, account: str) -> Account:
        # Strongly consistent within the region, as the gauge reads its heartbeats: an eventual read may be older.
        answer = self._clients[region].get_item(TableName=TABLE, Key=_key(account), ConsistentRead=True)
        item = answer.get("Item")
        if item is None:
            raise NotFound(account)
        return Account(region, int(item["balance"]["N"]), int(item["serial"]["N"]), time.monotonic())

    # What follows is for the comparison.

    def open(self, account: str, balance: int) -> None:
        self._clients[self.home].put_item(TableName=TABLE, Item=_item(account, balance, 0))

    def read_here(self, account: str) -> Account:
        """Do not decide by it: nobody knows how old it is."""
        return self._get(self.local, account)

    def debit_here(self, account: str, amount: int) -> bool:
        """Do not copy: the condition holds in this region. The same may hold in another at the same time, and then the last
        of both writers wins everywhere."""
        found, client = self.read_here(account), self._clients[self.local]
        if found.balance < amount:
            return False
        try:
            client.put_item(
                TableName=TABLE,
                Item=_item(account, found.balance - amount, found.serial + 1),
                ConditionExpression="serial = :seen",
                ExpressionAttributeValues={":seen": {"N": str(found.serial)}},
            )
        except client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _key(account: str) -> dict[str, Any]:
    return {"PK": {"S": account}, "SK": {"S": "credit"}}


def _item(account: str, balance: int, serial: int) -> dict[str, Any]:
    return _key(account) | {"balance": {"N": str(balance)}, "serial": {"N": str(serial)}}


def main() -> int:
    given = scenario.arguments(__doc__, home="us-east-1", local="eu-west-1", store="orders")
    lab = scenario.Lab(given.lab)
    endpoints = lab.endpoints()

    def cell(region: str, gauge: str) -> CreditAccounts:
        return CreditAccounts(region, given.home, endpoints, Gauge(gauge), given.store, given.bound)

    home, here = cell(given.home, given.gauge_home), cell(given.local, given.gauge_local)
    return scenario.run(lab, home, here, given)


if __name__ == "__main__":
    sys.exit(main())
