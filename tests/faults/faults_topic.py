"""Messages in the topics that no program of ours would write: each must be dead-lettered whole, exactly once."""

import json
import time
import typing

from confluent_kafka import Producer
from fault import Fault
from ledger import Event
from load import new_uuid
from stage import harness


class Junk(typing.NamedTuple):
    """A message put into a topic by hand, where Kafka says it is."""
    topic: str
    partition: int
    offset: int
    key: bytes
    payload: bytes


class Unreadable(Fault):
    """Random bytes, broken JSON, events of the other topic or in the wrong partition, tombstones."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._producer = Producer(stage.services.harness.kafka_conf(**{
            "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 60_000}))
        self._undelivered = 0

    def _event(self, kind):
        rng = self.rng
        return Event(kind, new_uuid(rng), time.time_ns() // 1_000_000, new_uuid(rng), new_uuid(rng), "junk", "junk")

    def _message(self, kind):
        """Key, payload and partition of something that must not be counted."""
        rng = self.rng
        event = self._event(kind)
        key = event.user.encode()
        right = harness.partition_of(event.user, self.stage.world.partitions())
        other = "conversion" if kind == "click" else "click"
        choices = (
            (key, rng.randbytes(rng.randrange(1, 400)), right),
            (key, event.message()[:-rng.randrange(1, 30)], right),
            (key, self._event(other)._replace(user=event.user).message(), right),
            (key, json.dumps({**event.fields(), "campaign_id": "x"}).encode(), right),
            (key, event.message(), (right + 1) % self.stage.world.partitions()),
            (key, None, right),
            (key, b"", right),
            (rng.randbytes(20), b"[" * 2000, right),
        )
        return rng.choice(choices)

    def hold(self, seconds):
        def strike():
            kind = self.rng.choice(harness.KINDS)
            key, payload, partition = self._message(kind)
            self._producer.produce(self.stage.world.topics[kind], value=payload, key=key, partition=partition,
                                   on_delivery=self._delivered)
            self._undelivered += 1
            self._producer.poll(0)
        self.repeat(seconds, 0.02, strike)

    def _delivered(self, error, message):
        if error is None:
            self._undelivered -= 1
            self.stage.junk.append(Junk(message.topic(), message.partition(), message.offset(), message.key(),
                                        message.value() or b""))

    def heal(self):
        self._producer.flush(30)

    def was_hit(self):
        return bool(self.stage.junk) and self._undelivered == 0
