"""
What was sent and what was promised: one entry for every event a client ever tried to send.

The ledger knows nothing of the program but its answers. An event is entered before its first byte leaves, so
that whatever is stored must be here; it is acknowledged when an answer said so, and else its fate is unknown:
it may be stored or not, but once at most.
"""

import datetime
import json
import threading
import time
import typing

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def rfc3339(ms):
    """An instant in milliseconds since 1970, as a client writes it."""
    when = EPOCH + datetime.timedelta(milliseconds=ms)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


class Event(typing.NamedTuple):
    """A click, or a conversion (then with type and value). Ids are lower-case, so they sort as their bytes."""
    kind: str
    id: str
    ms: int
    user: str
    campaign: str
    source: str
    type: str = ""
    value_minor: int = 0

    @property
    def identity(self):
        """What makes two messages the same event."""
        return self.kind, self.id, self.ms

    def fields(self):
        """The event as HTTP takes it."""
        fields = {f"{self.kind}_id": self.id, "campaign_id": self.campaign, "user_id": self.user,
                  f"{self.kind}_date": rfc3339(self.ms), "source": self.source}
        if self.kind == "conversion":
            fields["type"] = self.type
            fields["value"] = f"{self.value_minor // 100}.{self.value_minor % 100:02}"
        return fields

    def element(self):
        """The event as an element of a batch."""
        return {"event": self.kind, **self.fields()}

    def message(self):
        """The event as it lies in Kafka."""
        return json.dumps(self.fields()).encode()


class Adjustment(typing.NamedTuple):
    """What cancels a conversion of the same user, takes something off its value, or gives it another."""
    id: str
    ms: int
    user: str
    conversion: str
    change: str
    value_minor: int
    kind: str = "adjustment"

    @property
    def identity(self):
        """What makes two messages the same event."""
        return self.kind, self.id, self.ms

    def fields(self):
        """The event as HTTP takes it."""
        amount = f"{self.value_minor // 100}.{self.value_minor % 100:02}"
        return {"adjustment_id": self.id, "conversion_id": self.conversion, "user_id": self.user,
                "adjustment_date": rfc3339(self.ms), self.change: True if self.change == "cancel" else amount}

    def element(self):
        """The event as an element of a batch."""
        return {"event": self.kind, **self.fields()}


class Entry:
    """An event and what became of it."""

    def __init__(self, event):
        self.event = event
        self.sent_at = time.monotonic()
        self.acknowledged_at = None


class Ledger:
    """All entries of a schedule. Any thread may call anything."""

    def __init__(self):
        self._lock = threading.Lock()
        self._entries = {}
        self.attempts = 0           # events in all requests, repetitions included
        self.unexpected = []        # answers that no event of ours should get

    def sending(self, events):
        """Enter events that are about to leave."""
        with self._lock:
            self.attempts += len(events)
            for event in events:
                self._entries.setdefault(event.identity, Entry(event))

    def acknowledge(self, event):
        """An answer promised that the event is durable."""
        with self._lock:
            entry = self._entries[event.identity]
            if entry.acknowledged_at is None:
                entry.acknowledged_at = time.monotonic()

    def complain(self, text):
        """Note an answer that is wrong in itself."""
        with self._lock:
            self.unexpected.append(text)

    def entries(self):
        """A copy of all entries by identity."""
        with self._lock:
            return dict(self._entries)

    def acknowledged(self):
        """How many events were acknowledged."""
        with self._lock:
            return sum(entry.acknowledged_at is not None for entry in self._entries.values())
