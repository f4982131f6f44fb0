"""
The load: clients that send clicks, conversions and adjustments, alone and in batches, and repeat what was not acknowledged.

Users and campaigns are few, so that attribution has much to decide: late clicks, equal times, the edges of the
window. Campaigns take turns, so that at any time most of them are quiet: what a fault does to their numbers is not
put right by the next event. Most clients repeat an event, with its id and time, until it is acknowledged; one gives up at once, so
that there are events whose fate nobody knows.
"""

import random
import threading
import time

from client import Client
from ledger import Adjustment, Event

CLIENTS = 8
ACTIONS_PER_S = 9           # of each client; about a third are batches
AVOIDED_S = 1.5             # how long clients leave an instance alone that did not answer, as a balancer would
CAMPAIGNS = 12
CAMPAIGN_TURN_S = 1.5       # every campaign has events for three such turns, then none for nine
BATCH_MAX = 14
PENDING_MAX = 300           # a client that has so many to repeat sends nothing new
REPEAT_S = 0.25             # between two attempts at the same events
DAYS_BACK_MS = 3 * 86_400_000
WINDOW_MS = 24 * 3_600_000


def new_uuid(rng):
    """A UUID of version 4 from the seed."""
    bits = rng.getrandbits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | 0x4000 << 64 | 0x8000 << 48
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Crowd:
    """The users, campaigns and sources that events are made of."""

    def __init__(self, rng):
        self.users = [new_uuid(rng) for _ in range(30)]
        self.campaigns = [new_uuid(rng) for _ in range(CAMPAIGNS)]
        self.sources = ("newsletter", "störe & \"co\"")
        self.types = ("purchase", "signup")
        self._began = time.monotonic()

    def campaign(self, rng):
        """One of the three campaigns whose turn it is."""
        turn = int((time.monotonic() - self._began) / CAMPAIGN_TURN_S)
        return self.campaigns[(turn + rng.randrange(3)) % CAMPAIGNS]


class Maker:
    """Makes events of a crowd; each client has one."""

    def __init__(self, crowd, rng):
        self._crowd = crowd
        self._rng = rng
        self._clicks = []
        self._conversions = []
        self._announced = []        # conversions that are sent after an adjustment of theirs

    def event(self):
        """A new event."""
        rng = self._rng
        if self._announced and rng.random() < 0.3:
            event = self._announced.pop()
        elif self._conversions and rng.random() < 0.08:
            event = self._adjustment()
        elif rng.random() < 0.55 or not self._clicks:
            event = self._click()
            self._clicks = self._clicks[-20:] + [event]
        else:
            event = self._conversion()
            self._conversions = self._conversions[-20:] + [event]
        return event

    def _instant(self):
        now = time.time_ns() // 1_000_000
        return now - self._rng.randrange(60_000 if self._rng.random() < 0.4 else DAYS_BACK_MS)

    def _place(self):
        crowd, rng = self._crowd, self._rng
        return {"user": rng.choice(crowd.users), "campaign": crowd.campaign(rng),
                "source": rng.choice(crowd.sources)}

    @staticmethod
    def _not_in_future(ms):
        return min(ms, time.time_ns() // 1_000_000)

    def _click(self):
        rng = self._rng
        roll = rng.random()
        if self._conversions and roll < 0.3:        # it comes after the conversion that it may earn
            late = rng.choice(self._conversions)
            return Event("click", new_uuid(rng), late.ms - rng.choice((0, 1, WINDOW_MS, rng.randrange(WINDOW_MS))),
                         late.user, late.campaign, late.source)
        if self._clicks and roll < 0.4:             # at the very same time as another: the id decides
            return rng.choice(self._clicks)._replace(id=new_uuid(rng))
        return Event("click", new_uuid(rng), self._instant(), **self._place())

    def _conversion(self):
        rng = self._rng
        event = Event("conversion", new_uuid(rng), self._instant(), **self._place(),
                      type=rng.choice(self._crowd.types), value_minor=rng.randrange(1_000_00))
        if rng.random() < 0.7:                      # near a click, often where something changes
            click = rng.choice(self._clicks)
            after = rng.choice((0, 1, -1, WINDOW_MS, WINDOW_MS + 1, rng.randrange(WINDOW_MS), rng.randrange(60_000)))
            event = event._replace(user=click.user, campaign=click.campaign, source=click.source,
                                   ms=self._not_in_future(click.ms + after))
        return event


    def _adjustment(self):
        rng = self._rng
        conversion = rng.choice(self._conversions)
        if rng.random() < 0.3:
            conversion = self._conversion()
            self._announced.append(conversion)
        change = rng.choice(("refund", "refund", "value", "cancel"))
        return Adjustment(new_uuid(rng), self._instant(), conversion.user, conversion.id, change,
                          0 if change == "cancel" else rng.randrange(800_00))


class _Sender(threading.Thread):
    """One client in a thread of its own."""

    def __init__(self, load, number):
        super().__init__(name=f"client-{number}", daemon=True)
        self._load = load
        self._rng = random.Random(f"{load.seed} client {number}")
        self._maker = Maker(load.crowd, self._rng)
        self._client = Client(load.ledger)
        self._gives_up = number == 0
        self._done = []             # some acknowledged events, to be sent once more
        self._pending = []          # to be repeated
        self._repeat_at = 0
        self.left = 0               # events nobody acknowledged in the end

    def run(self):
        interval = 1 / ACTIONS_PER_S
        due = time.monotonic() + self._rng.random() * interval
        while not self._load.is_over(bool(self._pending)):
            self._act()
            due = max(due + interval, time.monotonic())
            time.sleep(max(0, due - time.monotonic()))
        self._client.close()
        self.left = len(self._pending)

    def _act(self):
        now = time.monotonic()
        if self._pending and now >= self._repeat_at:
            events, self._pending = self._pending[:50], self._pending[50:]
            self._repeat_at = now + REPEAT_S
            self._send(events)
        elif len(self._pending) < PENDING_MAX and not self._load.is_stopping.is_set():
            self._send(self._new_events())

    def _new_events(self):
        rng = self._rng
        if rng.random() < 0.35:
            events = [self._maker.event() for _ in range(rng.randrange(2, BATCH_MAX + 1))]
        else:
            events = [self._maker.event()]
        if self._done and rng.random() < 0.15:      # once more what was acknowledged
            events.append(rng.choice(self._done))
        return events

    def _send(self, events):
        address = self._load.choose(self._rng)
        left = self._client.send(address, events)
        if self._client.is_broken():
            self._load.avoid(address)
        failed = {event.identity for event in left}
        self._done = (self._done + [event for event in events if event.identity not in failed])[-100:]
        if not self._gives_up:
            self._pending += left


class Load:
    """All clients together."""

    def __init__(self, seed, crowd, ledger, addresses):
        self.seed = seed
        self.crowd = crowd
        self.ledger = ledger
        self.addresses = addresses
        self.is_stopping = threading.Event()
        self._deadline = None
        self._avoided = {}          # address -> until when; entries are replaced whole, so no lock is needed
        self._senders = [_Sender(self, number) for number in range(CLIENTS)]
        for sender in self._senders:
            sender.start()

    def choose(self, rng):
        """An instance that answers as far as is known, or any."""
        now = time.monotonic()
        addresses = self.addresses()
        return rng.choice([a for a in addresses if self._avoided.get(a, 0) < now] or addresses)

    def avoid(self, address):
        """It did not answer."""
        self._avoided[address] = time.monotonic() + AVOIDED_S

    def is_over(self, has_pending):
        """May a client end?"""
        if not self.is_stopping.is_set():
            return False
        return not has_pending or time.monotonic() > self._deadline

    def stop(self, seconds):
        """Send nothing new, let everything be repeated for so long; how many events nobody acknowledged."""
        self._deadline = time.monotonic() + seconds
        self.is_stopping.set()
        for sender in self._senders:
            sender.join()
        return sum(sender.left for sender in self._senders)
