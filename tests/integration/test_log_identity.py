"""Nothing is lost in silence: every message of the log is booked exactly once, as one of four things.

A log of good, repeated, conflicting, malformed and misplaced messages is written straight into the topics, as a
foreign producer would. Afterwards the fence rows account for every message, the dead letters hold the bad ones
whole, and the statistics are those of the model. Then all offsets are set back and the whole log is read
again: only the count of what was read again may move.

TYR_EVENTS sets the number of messages.
"""

import collections
import os
import re

from confluent_kafka import Producer

import model
from harness import ROOT, TOUCH_KINDS as KINDS, eventually, partition_of
from model import Event

EVENTS = int(os.environ.get("TYR_EVENTS") or (20_000 if model.sanitized() else 200_000))
REPEATED = 0.05
BAD = 0.01
CONFLICTS = 0.002


class Message:
    """One message to be sent, and what must become of it."""
    __slots__ = ("kind", "partition", "key", "value", "fate", "event", "rival", "offset")

    def __init__(self, kind, partition, key, value, fate, event=None):
        self.kind, self.partition, self.key, self.value, self.fate = kind, partition, key, value, fate
        self.event = event      # what it says, if it says something
        self.rival = None       # of two events with the same id and time in two partitions: the other one
        self.offset = None


class Log:
    """The messages in the order they are sent, and the events that must be accepted."""

    def __init__(self, rng, n, partitions):
        self.rng, self.partitions = rng, partitions
        self.messages = []
        self.accepted = []
        self._serial = 0
        self._partition_of = {}
        last_ms = model.now_ms() - model.now_ms() % 1000
        self.workload = model.Workload(rng, round(n * (1 - REPEATED - BAD - CONFLICTS)), last_ms - 40 * model.MS_PER_DAY,
                                       last_ms, users=2000, campaigns=12, sources=4)
        self._send_good(round(n * REPEATED))
        self._send_conflicts(round(n * CONFLICTS))
        self._send_bad(n - len(self.messages))

    def partition(self, user):
        if user not in self._partition_of:
            self._partition_of[user] = partition_of(user, self.partitions)
        return self._partition_of[user]

    def _good(self, event, fate):
        return Message(event.kind, self.partition(event.user), event.user.encode(), event.message(), fate, event)

    def _send_good(self, repeats):
        rng = self.rng
        events = self.workload.events
        self.accepted += events
        sent = events + [rng.choice(events) for _ in range(repeats)]
        rng.shuffle(sent)
        seen = set()
        for event in sent:
            fate = "duplicate" if event.identity in seen else "stored"
            seen.add(event.identity)
            message = self._good(event, fate)
            if rng.random() < 0.01:     # what a foreign producer may leave out or write otherwise
                message.key = rng.choice((None, b"", b"another key"))
                message.value = message.value.replace(event.user.encode(), event.user.upper().encode())
            self.messages.append(message)

    def _insert(self, message, after=0):
        """Anywhere behind a place."""
        self.messages.insert(self.rng.randrange(after, len(self.messages) + 1), message)

    def _send_conflicts(self, n):
        """The same id and time with another content: behind the first it is a conflict. In another partition
        (another user) either may come first."""
        rng = self.rng
        for i in range(n):
            event = self._new_event()
            if i % 4 == 0:
                others = [u for u in self.workload.users if self.partition(u) != self.partition(event.user)]
                first = self._good(event, "rival")
                second = self._good(event._replace(user=rng.choice(others)), "rival")
                first.rival, second.rival = second, first
                self._insert(first)
                self._insert(second)
                continue
            first = self._good(event, "stored")
            self.accepted.append(event)
            place = rng.randrange(len(self.messages) + 1)
            self.messages.insert(place, first)
            change = {"source": event.source + "!"}
            if event.kind == "conversion":
                change = rng.choice((change, {"type": "other"}, {"value_minor": event.value_minor + 1}))
            # often right behind it, so that both may be in one batch
            after = place + 1
            conflict = self._good(event._replace(**change), "conflict")
            if rng.random() < 0.5:
                self.messages.insert(after, conflict)
            else:
                self._insert(conflict, after)

    def _new_event(self):
        rng, w = self.rng, self.workload
        event = Event(rng.choice(KINDS), model.new_uuid(rng), rng.randrange(w.first_ms, w.last_ms), rng.choice(w.users),
                      rng.choice(w.campaigns), rng.choice(w.sources))
        return event._replace(type="purchase", value_minor=500) if event.kind == "conversion" else event

    def _send_bad(self, n):
        makers = [self._misplaced, self._wrong_kind, self._tombstone] + [self._malformed] * 4
        for i in range(n):
            message = makers[i % len(makers)]()
            self._insert(message)

    def _misplaced(self):
        event = self._new_event()
        message = self._good(event, "misplaced")
        message.partition = (message.partition + self.rng.randrange(1, self.partitions)) % self.partitions
        return message

    def _wrong_kind(self):
        message = self._good(self._new_event(), "malformed")
        message.kind = "click" if message.kind == "conversion" else "conversion"
        return message

    def _tombstone(self):
        self._serial += 1
        return Message(self.rng.choice(KINDS), self.rng.randrange(self.partitions), f"tombstone {self._serial}".encode(),
                       None, "malformed")

    def _malformed(self):
        rng = self.rng
        event = self._new_event()
        message = self._good(event, "malformed")
        good, date = message.value, model.rfc3339(event.ms).encode()
        self._serial += 1
        serial = b"%d" % self._serial
        message.value = rng.choice((
            b"not JSON " + serial, b"", b"\0\xff\xfe " + serial, b'"' + serial + b'"', b"[" + good + b"]",
            good[:rng.randrange(1, len(good))], good + b" " + serial, good.replace(b'"user_id"', b'"user"'),
            good.replace(b"{", b'{"user_id":"' + event.user.encode() + b'",', 1),       # stands twice
            good.replace(event.campaign.encode(), event.campaign.encode()[:-1]),
            good.replace(event.id.encode(), b""), good.replace(date, b"yesterday"), good.replace(date, date[:-1]),
            good.replace(date, b"2026-02-30T00:00:00Z"), good.replace(b'"source":"', b'"source":"\\u0000'),
            good.replace(b'"source":"', b'"source":"\xff'), good.replace(b'"source":"', b'"source":"' + b"x" * 256),
            good.replace(b'"source":', b'"source":1,"was":'),
            good.replace(b"{", b'{"deep":' + b"[" * 50 + b"]" * 50 + b",", 1),
        ))
        if event.kind == "conversion" and rng.random() < 0.3:       # the value stands last
            message.value = good[:good.rindex(b":") + 1] + rng.choice(
                (b"-1}", b"true}", b'"12,5"}', b"10000000000000.01}", b"1e400}", b"01}"))
        return message


def send(world, log):
    """Puts everything into Kafka in its order, noting the offset of each message."""
    producer = Producer(world.services.kafka_conf(**{"enable.idempotence": True, "linger.ms": 5,
                                                     "queue.buffering.max.messages": 500_000}))
    failed = []

    def delivered(message):
        def note(error, delivery):
            if error:
                failed.append(error)
            else:
                message.offset = delivery.offset()
        return note

    for i, m in enumerate(log.messages):
        producer.produce(world.topics[m.kind], m.value, m.key, m.partition, on_delivery=delivered(m))
        if i % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed[:3]


def fences(world):
    """{(kind, partition): {column: number}}"""
    columns = ("first_offset", "next_offset", "high_offset", "stored", "duplicate", "dead_lettered", "gaps", "reread")
    return {(kind, row[0]): {c: row[1 + i][k] for i, c in enumerate(columns)}
            for row in world.sql(f"SELECT partition, {', '.join(columns)} FROM partition_fences")
            for k, kind in enumerate(KINDS)}


def resolve_rivals(world, log):
    """Which of two rivals was first is not ours to say, only that one is stored and the other a conflict."""
    dead = {(topic, partition, offset) for topic, partition, offset in
            world.sql('SELECT topic, partition, "offset" FROM dead_letters')}
    for m in log.messages:
        if m.rival:
            m.fate = "conflict" if (world.topics[m.kind], m.partition, m.offset) in dead else "stored"
    for m in log.messages:
        assert not m.rival or {m.fate, m.rival.fate} == {"stored", "conflict"}, (m.value, m.fate, m.rival.fate)


def check_identity(world, log, reread):
    expected = collections.Counter((m.kind, m.partition, m.fate) for m in log.messages)
    found = fences(world)
    for kind in KINDS:
        ends = world.end_offsets(kind)
        for p in range(log.partitions):
            f, where = found[kind, p], f"{kind} {p}"
            in_log = sum(expected[kind, p, fate] for fate in ("stored", "duplicate", "conflict", "malformed", "misplaced"))
            assert ends[p] == in_log, f"{where}: the log itself"
            assert f["first_offset"] == 0 and f["next_offset"] == f["high_offset"] == in_log, f"{where}: {f}"
            assert f["high_offset"] - f["first_offset"] == \
                f["stored"] + f["duplicate"] + f["dead_lettered"] + f["gaps"], f"{where}: {f}"
            assert f["stored"] == expected[kind, p, "stored"], f"{where}: {f}"
            assert f["duplicate"] == expected[kind, p, "duplicate"], f"{where}: {f}"
            assert f["dead_lettered"] == sum(
                expected[kind, p, fate] for fate in ("conflict", "malformed", "misplaced")), f"{where}: {f}"
            assert f["gaps"] == 0, f"{where}: {f}"
            assert f["reread"] == (in_log if reread else 0), f"{where}: {f}"


def check_totals(world, log):
    """The durable counts add up to what was sent, and to what is in the tables."""
    found = fences(world).values()
    assert sum(f["high_offset"] - f["first_offset"] for f in found) == len(log.messages)
    assert sum(f["stored"] for f in found) == len(log.accepted)
    rows = world.sql("SELECT (SELECT count(*) FROM click_events), (SELECT count(*) FROM conversion_events)")[0]
    assert rows == tuple(sum(e.kind == kind for e in log.accepted) for kind in KINDS)


def check_dead_letters(world, log):
    expected = {(world.topics[m.kind], m.partition, m.offset): (m.key, m.value, m.fate)
                for m in log.messages if m.fate in ("conflict", "malformed", "misplaced")}
    found = {tuple(row[:3]): tuple(row[3:]) for row in world.sql(
        'SELECT topic, partition, "offset", key, payload, reason FROM dead_letters')}
    wrong = {place: (found.get(place), expected.get(place)) for place in found.keys() | expected.keys()
             if found.get(place) != expected.get(place)}
    assert not wrong, f"{len(wrong)} dead letters wrong (found, expected), first {list(wrong.items())[:3]}"
    assert world.sql("SELECT count(*) FROM dead_letters WHERE detail = ''") == [(0,)]


def check_statistics(world, server, reference):
    first = min(day for _, day in reference.days)
    counted = model.recount(world.db())
    assert counted == dict(reference.days)
    for campaign in reference.campaigns():
        for group_by in ("daily", "weekly", "monthly"):
            answer = server.statistics(campaign, group_by=group_by, **{"from": str(first)})
            assert model.periods_of_answer(answer) == reference.periods(campaign, group_by), (campaign, group_by)


def everything(world):
    """Every row there is; only journals may be written anew with the same content."""
    db = world.db()
    excluded = {(table, column) for table, column in model.excluded_columns(db) if not table.endswith("_events")}
    return model.dump(db, model.COMPARED_TABLES + ("campaigns", "dead_letters"), excluded)


def test_every_message_is_accounted_for_and_reading_again_changes_nothing(world):
    rng = model.seeded_random()
    world.migrate()
    with model.measured(f"making {EVENTS} messages"):
        log = Log(rng, EVENTS, world.partitions())
    assert len(log.messages) == EVENTS
    with model.measured("sending"):
        send(world, log)

    with model.measured("start and processing"):
        server = world.serve()
        world.wait_processed(300)
    resolve_rivals(world, log)
    # Which rival won decides what was accepted.
    log.accepted += [m.event for m in log.messages if m.rival and m.fate == "stored"]
    with model.measured("the model"):
        reference = model.Model(log.accepted)
    with model.measured("checks"):
        check_identity(world, log, reread=False)
        check_totals(world, log)
        check_dead_letters(world, log)
        check_statistics(world, server, reference)
        model.assert_attribution(world.db(), reference)
        eventually(lambda: model.journals_follow(world.db()), 30)
    assert server.stop() == 0

    with model.measured("dump"):
        before = everything(world)
    world.sql("UPDATE partition_fences SET next_offset = " + rng.choice(("'{-1,-1,-1}'", "first_offset")))
    with model.measured("restart and reading again"):
        server = world.serve()
        world.wait_processed(300)
    with model.measured("checks"):
        check_identity(world, log, reread=True)
        check_dead_letters(world, log)
        check_statistics(world, server, reference)
    assert server.stop() == 0
    with model.measured("dump"):
        model.assert_same_dumps(before, everything(world), "after reading the log again")


# --- plans ---------------------------------------------------------------------------------------

QUERIES = ROOT / "schema" / "queries"
BATCH_STATEMENTS = ("store_clicks", "any_targets", "stage_targets", "target_touches", "target_more_touches",
                    "target_named", "target_paths", "store_conversions", "change_paths", "conflicting_clicks", "conflicting_conversions",
                    "drop_empty_buckets", "drop_empty_shares", "latest_conversion", "book_click_buckets")
SAMPLES = {"uuid": "00000000-0000-0000-0000-000000000000"}
LEADING_COLUMNS = ("campaign_id", "click_id", "conversion_id", "user_id", "ctid", "TID")


def scans(node):
    if "Relation Name" in node and "Scan" in node["Node Type"]:
        yield node
    for child in node.get("Plans", ()):
        yield from scans(child)


def test_no_statement_of_a_batch_reads_a_whole_table(world):
    """A writer keeps the plans that it made while the tables were small. A plan that reads all of an event table,
    which is no worse then, makes every later batch slower than the one before."""
    rng = model.seeded_random()
    last = model.now_ms()
    for event in model.Workload(rng, 300, last - model.MS_PER_DAY, last).events:
        world.produce(event.kind, event.message(), event.user.encode())
    world.serve()
    world.wait_processed()
    db = world.db()
    db.execute("ANALYZE")
    for session in ("writer_session.sql", "paths_session.sql"):
        db.execute((QUERIES / session).read_text())
    bad = []
    for name in BATCH_STATEMENTS:
        text = (QUERIES / f"{name}.sql").read_text()
        params = dict(re.findall(r"\$(\d+)::([\w.]+(?:\[\])?)", text))
        types = ", ".join(params[n] for n in sorted(params))
        samples = ", ".join("'{}'" if params[n].endswith("[]") else f"'{SAMPLES.get(params[n], '0')}'"
                            for n in sorted(params))
        db.execute(f"PREPARE {name} {f'({types})' if types else ''} AS {text}")
        (plan,), = db.execute(f"EXPLAIN (FORMAT JSON) EXECUTE {name} {f'({samples})' if types else ''}").fetchall()
        for scan in scans(plan[0]["Plan"]):
            table = scan["Relation Name"]
            condition = scan.get("Index Cond") or scan.get("TID Cond") or ""
            if table.startswith(("click_", "conversion_", "day_shares")) and \
                    not any(column in condition for column in LEADING_COLUMNS) and \
                    not condition.startswith("(shard =") and \
                    db.execute(f"SELECT EXISTS (SELECT FROM {table})").fetchone()[0]:
                bad.append(f"{name}: {scan['Node Type']} of {table} by {condition or 'no condition'}")
    assert not bad, bad
