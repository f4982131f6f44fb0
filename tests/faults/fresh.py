"""
Fresh events: a click and a conversion in every partition, sent now, waited for in the statistics.

This is how recovery is measured, and how a schedule ends: the whole way of an event, from its 201 to the
answer that counts it, by nothing but HTTP.
"""

import time

from client import Client
from ledger import Event
from load import new_uuid
from stage import harness

PAUSE_S = 0.03


class Fresh:
    """One set of fresh events, of a campaign that nobody else uses."""

    def __init__(self, stage, rng):
        self._stage = stage
        self._campaign = new_uuid(rng)
        self._client = Client(stage.ledger)
        self._events = self._make(rng, stage.world.partitions())
        self._turn = 0

    def _make(self, rng, partitions):
        now = time.time_ns() // 1_000_000
        users = {}
        while len(users) < partitions:
            user = new_uuid(rng)
            users.setdefault(harness.partition_of(user, partitions), user)
        events = []
        for user in users.values():
            events.append(Event("click", new_uuid(rng), now, user, self._campaign, "fresh"))
            events.append(Event("conversion", new_uuid(rng), now, user, self._campaign, "fresh", "purchase", 100))
        return events

    def _address(self):
        """Every instance in turn."""
        addresses = self._stage.addresses()
        self._turn += 1
        return addresses[self._turn % len(addresses)]

    def _are_counted(self, wanted):
        status, answer = self._client.get(self._address(), f"/api/campaigns/statistics?campaign_id={self._campaign}")
        if status != 200:
            return False
        return (sum(row["total_clicks"] for row in answer["data"]) == wanted
                and sum(row["total_conversions"] for row in answer["data"]) == wanted)

    def pass_through(self, limit_s, since=None):
        """Send the events until all are acknowledged, ask until all are counted; the seconds, None beyond limit_s."""
        began = time.monotonic() if since is None else since
        left = self._events
        while time.monotonic() - began < limit_s:
            if left:
                left = self._client.send(self._address(), left)
            if not left and self._are_counted(len(self._events) // 2):
                self._client.close()
                return time.monotonic() - began
            time.sleep(PAUSE_S)
        self._client.close()
        return None
