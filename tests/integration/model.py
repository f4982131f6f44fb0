"""What the statistics must be, computed the slow and obvious way, and the workloads to compute them from.

The model shares no code and no query with the program: a list of accepted events and the window go in, the
attribution of every conversion and the totals of every campaign day come out. Beside it stand the things the
tests around it need: seeded workloads, messages as they lie in Kafka, dumps of tables, bounds of a recount.
"""

import bisect
import collections
import contextlib
import datetime
import http.client
import json
import os
import pathlib
import random
import threading
import time
import typing

import attribution

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 24 * MS_PER_HOUR
WINDOW_MS = 24 * MS_PER_HOUR       # CLICK_EVENT_TIME_WINDOW_HOURS' default
EPOCH = datetime.date(1970, 1, 1)

COMPARED_TABLES = ("click_events", "conversion_events", "adjustment_events", "click_buckets", "conversion_buckets", "day_shares",
                   "campaign_journals", "campaign_statistics", "campaign_quarters")


def seeded_random():
    """Random numbers whose seed is printed; TYR_SEED=n repeats a run."""
    seed = int(os.environ.get("TYR_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed} (repeat with TYR_SEED={seed})")
    return random.Random(seed)


def sanitized():
    return bool(os.environ.get("TYR_SAN"))


# --- times ---------------------------------------------------------------------------------------

def now_ms():
    return time.time_ns() // 1_000_000


def rfc3339(ms, offset_minutes=0):
    """The instant as a client at that UTC offset writes it; whole milliseconds always."""
    zone = datetime.timezone(datetime.timedelta(minutes=offset_minutes))
    text = (datetime.datetime.fromtimestamp(ms // 1000, zone).replace(tzinfo=None)).isoformat()
    sign, minutes = ("-", -offset_minutes) if offset_minutes < 0 else ("+", offset_minutes)
    suffix = "Z" if offset_minutes == 0 else f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}.{ms % 1000:03}{suffix}"


def day_of(ms):
    """The UTC day."""
    return EPOCH + datetime.timedelta(days=ms // MS_PER_DAY)


def ms_of_day(day):
    return (day - EPOCH).days * MS_PER_DAY


def today_utc():
    return day_of(now_ms())


# --- events --------------------------------------------------------------------------------------

class Adjustment(typing.NamedTuple):
    """What cancels a conversion of the same user, takes something off its value, or gives it another."""
    id: str
    ms: int
    user: str
    conversion: str
    change: str
    value_minor: int = 0
    kind: str = "adjustment"

    @property
    def identity(self):
        return self.kind, self.id, self.ms

    def fields(self):
        """As HTTP takes them."""
        return {"adjustment_id": self.id, "conversion_id": self.conversion, "user_id": self.user,
                "adjustment_date": rfc3339(self.ms),
                self.change: True if self.change == "cancel" else money(self.value_minor)}

    def element(self):
        """As /api/events/batch takes it."""
        return {"event": self.kind, **self.fields()}

    def message(self):
        """As it lies in Kafka."""
        return json.dumps(self.fields()).encode()


def adjustments_of(rng, conversion, n):
    """So many adjustments of a conversion, some at the same time, of which the id decides."""
    times = [conversion.ms + rng.randrange(-MS_PER_DAY, 1) for _ in range(max(1, n - 1))]
    changes = ("refund", "refund", "value", "value", "cancel")
    return [Adjustment(new_uuid(rng), rng.choice(times), conversion.user, conversion.id, change,
                       0 if change == "cancel" else rng.choice((0, 1, 1999, conversion.value_minor, 10**15)))
            for change in (rng.choice(changes) for _ in range(n))]


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
        return self.kind, self.id, self.ms

    def fields(self):
        """As HTTP takes them."""
        fields = {f"{self.kind}_id": self.id, "campaign_id": self.campaign, "user_id": self.user,
                  f"{self.kind}_date": rfc3339(self.ms), "source": self.source}
        if self.kind == "conversion":
            fields |= {"type": self.type, "value": money(self.value_minor)}
        return fields

    def element(self):
        """As /api/events/batch takes it."""
        return {"event": self.kind, **self.fields()}

    def message(self):
        """As it lies in Kafka."""
        text = (f'{{"{self.kind}_id":"{self.id}","campaign_id":"{self.campaign}","user_id":"{self.user}",'
                f'"{self.kind}_date":"{rfc3339(self.ms)}","source":{json.dumps(self.source, ensure_ascii=False)}')
        if self.kind == "conversion":
            text += f',"type":{json.dumps(self.type)},"value":{money(self.value_minor)}'
        return (text + "}").encode()


def money(minor):
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02}"


def new_uuid(rng):
    """Version 4, from the seed."""
    bits = rng.getrandbits(128) & ~(0xf000 << 64) & ~(0xc000 << 48) | 0x4000 << 64 | 0x8000 << 48
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# --- the reference model -------------------------------------------------------------------------

class Totals(typing.NamedTuple):
    clicks: int = 0
    conversions: int = 0
    value_minor: int = 0
    unattributed: int = 0
    unattributed_value_minor: int = 0

    def __add__(self, other):
        return Totals(*(a + b for a, b in zip(self, other)))


class Model:
    """Which click earned each conversion, and the totals of each (campaign, UTC day)."""

    def __init__(self, accepted, window_ms=WINDOW_MS):
        self.events = {}                # identity -> event; a repetition changes nothing
        for event in accepted:
            self.events.setdefault(event.identity, event)
        self.clicks = [e for e in self.events.values() if e.kind == "click"]
        self.conversions = [e for e in self.events.values() if e.kind == "conversion"]
        self.adjustments = collections.defaultdict(list)
        for e in self.events.values():
            if e.kind == "adjustment":
                self.adjustments[e.conversion].append(e)
        self._attribute(window_ms)
        self._sum()

    def _attribute(self, window_ms):
        candidates = collections.defaultdict(list)
        for c in self.clicks:
            candidates[c.user, c.campaign, c.source].append(c)
        self.last_click = {}            # a conversion's identity -> its click, or None
        for v in self.conversions:
            touches = [c for c in candidates[v.user, v.campaign, v.source]
                       if v.ms - window_ms <= c.ms <= v.ms]
            self.last_click[v.identity] = max(touches, key=lambda c: (c.ms, c.id), default=None)

    def _sum(self):
        self.days = collections.defaultdict(Totals)
        for c in self.clicks:
            self.days[c.campaign, day_of(c.ms)] += Totals(clicks=1)
        for v in self.conversions:
            value_minor = attribution.worth(v, self.adjustments[v.id])
            if value_minor is None:
                continue
            earned = self.last_click[v.identity] is not None
            self.days[v.campaign, day_of(v.ms)] += (
                Totals(conversions=1, value_minor=value_minor) if earned else
                Totals(unattributed=1, unattributed_value_minor=value_minor))

    def campaigns(self):
        return sorted({campaign for campaign, _ in self.days})

    def periods(self, campaign, group_by="daily"):
        """{period: Totals}, as a statistics answer names the periods."""
        sums = collections.defaultdict(Totals)
        for (c, day), totals in self.days.items():
            if c == campaign:
                sums[period_of(day, group_by)] += totals
        return dict(sums)


def period_of(day, group_by):
    if group_by == "weekly":
        return str(day - datetime.timedelta(days=day.weekday()))
    return str(day)[:7] if group_by == "monthly" else str(day)


def periods_of_answer(answer):
    """{period: Totals} of a statistics answer; the rate must follow from the counts."""
    periods = {}
    for row in answer["data"]:
        totals = Totals(row["total_clicks"], row["total_conversions"], minor_of(row["total_value"]),
                        row["unattributed_conversions"], minor_of(row["unattributed_value"]))
        rate = totals.conversions / totals.clicks * 100 if totals.clicks else 0
        assert abs(row["conversion_rate"] - rate) <= 1e-9 * max(rate, 1), row
        assert row["period"] not in periods, f"{row['period']} stands twice"
        periods[row["period"]] = totals
    assert list(periods) == sorted(periods, reverse=True), "not newest first"
    return periods


def minor_of(text):
    """A total is a decimal string with two decimals, never a float."""
    assert isinstance(text, str), f"not a string: {text!r}"
    whole, _, decimals = text.partition(".")
    assert len(decimals) == 2, f"not two decimals: {text!r}"
    return int(whole + decimals)


# --- workloads -----------------------------------------------------------------------------------

class Workload:
    """Accepted events that meet in every way: few users, campaigns, sources and instants; windows' exact ends.

    adjusted_share of the conversions are adjusted. `events` holds each event once; `with_repeats` repeats some and puts them anywhere.
    """

    def __init__(self, rng, n, first_ms, last_ms, users=40, campaigns=3, sources=3, window_ms=WINDOW_MS,
                 conversion_share=0.35, adjusted_share=0):
        self.rng = rng
        self.first_ms, self.last_ms, self.window_ms = first_ms, last_ms, window_ms
        self.users = [new_uuid(rng) for _ in range(users)]
        self.campaigns = [new_uuid(rng) for _ in range(campaigns)]
        self.sources = [f"source-{i}" for i in range(sources - 1)] + ["Zürich/日本 \"x\"\\"]
        # Instants that many events share, among them the ends of days and of quarters of an hour.
        self.instants = [self._any_instant() for _ in range(20)]
        self.instants += [self._clamp(i - i % 900_000 - d) for i in self.instants for d in (0, 1)]
        self.instants += [self._clamp(i - i % MS_PER_DAY - d) for i in self.instants[:10] for d in (0, 1)]
        self.events = []
        self._taken = set()
        clicks = []
        while len(self.events) < n:
            if not clicks or rng.random() >= conversion_share:
                event = self._click(clicks)
                kept = self._keep(event)
                if kept:
                    clicks.append(event)
            else:
                conversion = self._conversion(clicks)
                if self._keep(conversion) and rng.random() < adjusted_share:
                    for adjustment in adjustments_of(rng, conversion, rng.choice((1, 1, 2, 3))):
                        self._keep(adjustment)
        rng.shuffle(self.events)

    def _keep(self, event):
        if event.identity in self._taken:
            return False
        self._taken.add(event.identity)
        self.events.append(event)
        return True

    def _any_instant(self):
        return self.rng.randrange(self.first_ms, self.last_ms + 1)

    def _clamp(self, ms):
        return min(max(ms, self.first_ms), self.last_ms)

    def _instant(self):
        return self.rng.choice(self.instants) if self.rng.random() < 0.5 else self._any_instant()

    def _who(self):
        return {"user": self.rng.choice(self.users), "campaign": self.rng.choice(self.campaigns),
                "source": self.rng.choice(self.sources)}

    def _click(self, clicks):
        rng = self.rng
        roll = rng.random()
        if clicks and roll < 0.1:       # another click at the very same time: the id decides
            return rng.choice(clicks)._replace(id=new_uuid(rng))
        if clicks and roll < 0.12:      # the same id at another time is another event
            return rng.choice(clicks)._replace(ms=self._instant())
        return Event("click", new_uuid(rng), self._instant(), **self._who())

    def _conversion(self, clicks):
        rng = self.rng
        event = Event("conversion", new_uuid(rng), self._instant(), **self._who(),
                      type=rng.choice(("purchase", "signup")), value_minor=self._value())
        if rng.random() < 0.8:          # near a click, often exactly where something changes
            click = rng.choice(clicks)
            after = rng.choice((0, 1, -1, self.window_ms, self.window_ms - 1, self.window_ms + 1,
                                rng.randrange(self.window_ms), -rng.randrange(self.window_ms),
                                self.window_ms + rng.randrange(self.window_ms)))
            event = event._replace(user=click.user, campaign=click.campaign, source=click.source,
                                   ms=self._clamp(click.ms + after))
            if rng.random() < 0.1:      # almost the click's
                event = event._replace(**rng.choice(({"source": rng.choice(self.sources)},
                                                     {"campaign": rng.choice(self.campaigns)},
                                                     {"user": rng.choice(self.users)})))
        return event

    def _value(self):
        rng = self.rng
        return rng.choice((0, 10, 20, 30, 1, 1999, rng.randrange(10_000_00), 10**15))

    def with_repeats(self, rng, share):
        """All events in some order, this share of them once more, anywhere."""
        everything = self.events + [rng.choice(self.events) for _ in range(round(len(self.events) * share))]
        rng.shuffle(everything)
        return everything


# --- tables --------------------------------------------------------------------------------------

def excluded_columns(db):
    text = pathlib.Path(__file__).with_name("compare_exclusions.sql").read_text()
    return set(db.execute(text).fetchall())


# A share that was emptied on a live day stays as zeros, and whether it ever held anything depends on the order.
SHARES_SOMETHING = "(clicks, conversions, value_minor, unattributed, unattributed_value_minor) <> (0, 0, 0, 0, 0)"


def dump(db, tables=COMPARED_TABLES, excluded=None):
    """{table: sorted rows as text}, without the columns of compare_exclusions.sql, nor shares of nothing."""
    excluded = excluded_columns(db) if excluded is None else excluded
    result = {}
    for table in tables:
        columns = [name for (name,) in db.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "ORDER BY attnum", (table,)) if (table, name) not in excluded]
        names = ", ".join(f'"{name}"' for name in columns)
        rows = f"{table} WHERE {SHARES_SOMETHING}" if table == "day_shares" else table
        with db.cursor().copy(f"COPY (SELECT {names} FROM {rows}) TO STDOUT") as copy:
            text = b"".join(bytes(block) for block in copy).decode()
        result[table] = sorted(text.splitlines())
    return result


def assert_same_dumps(left, right, what):
    for table in left:
        if left[table] != right[table]:
            a, b = collections.Counter(left[table]), collections.Counter(right[table])
            gone, new = sorted((a - b).elements()), sorted((b - a).elements())
            raise AssertionError(f"{what}: {table} differs: {len(gone)} rows gone, {len(new)} new; "
                                 f"first gone {gone[:3]}, first new {new[:3]}")


RECOUNT = """
    SELECT campaign_id::text, day, sum(clicks), sum(conversions), sum(value), sum(unattributed), sum(lost)
    FROM (
        SELECT campaign_id, (click_date AT TIME ZONE 'UTC')::date AS day, 1 AS clicks, 0 AS conversions,
            0::numeric AS value, 0 AS unattributed, 0::numeric AS lost
        FROM click_events
        UNION ALL
        SELECT campaign_id, (conversion_date AT TIME ZONE 'UTC')::date, 0, (click_id IS NOT NULL)::int,
            CASE WHEN click_id IS NOT NULL THEN coalesce(adjusted_minor, value_minor) ELSE 0 END,
            (click_id IS NULL)::int, CASE WHEN click_id IS NULL THEN coalesce(adjusted_minor, value_minor) ELSE 0 END
        FROM conversion_events
        WHERE NOT is_cancelled
    ) AS events
    GROUP BY campaign_id, day
"""


def recount(db):
    """{(campaign, day): Totals} from the event tables alone."""
    return {(campaign, day): Totals(*map(int, totals)) for campaign, day, *totals in db.execute(RECOUNT)}


def periods_of_recount(db, campaign, group_by="daily"):
    sums = collections.defaultdict(Totals)
    for (c, day), totals in recount(db).items():
        if c == str(campaign):
            sums[period_of(day, group_by)] += totals
    return dict(sums)


def day_shares(db):
    """{(campaign, day): Totals}: what the shards' shares add up to."""
    return {(str(campaign), day): Totals(*map(int, totals)) for campaign, day, *totals in db.execute(
        "SELECT campaign_id, day, sum(clicks), sum(conversions), sum(value_minor), sum(unattributed), "
        "sum(unattributed_value_minor) FROM day_shares GROUP BY campaign_id, day")
        if any(totals)}


def journals(db):
    return {(str(campaign), day): Totals(*map(int, totals)) for campaign, day, *totals in db.execute(
        "SELECT campaign_id, day, clicks, conversions, value_minor, unattributed, unattributed_value_minor "
        "FROM campaign_journals")}


def stored_statistics(db):
    """{(campaign, kind, period): Totals} of campaign_statistics."""
    return {(str(campaign), kind, period): Totals(*map(int, totals)) for campaign, kind, period, *totals in
            db.execute("SELECT campaign_id, period_kind, period, clicks, conversions, value_minor, unattributed, "
                       "unattributed_value_minor FROM campaign_statistics")}


def journals_follow(db):
    """Do the journals of all closed days say what a recount says, and the weeks and months what the journals say?"""
    closed_through = db.execute("SELECT greatest(closed_through, '1970-01-01') FROM journal_state").fetchone()[0]
    written = {key: totals for key, totals in journals(db).items() if totals != Totals()}
    counted = {(campaign, day): totals for (campaign, day), totals in recount(db).items() if day <= closed_through}
    assert {key: totals for key, totals in written.items() if key[1] <= closed_through} == counted
    sums = collections.defaultdict(Totals)
    for (campaign, day), totals in written.items():
        sums[campaign, "weekly", day - datetime.timedelta(days=day.weekday())] += totals
        sums[campaign, "monthly", day.replace(day=1)] += totals
    assert {key: totals for key, totals in stored_statistics(db).items() if totals != Totals()} == dict(sums)
    return True


def assert_attribution(db, reference):
    """Every stored event is the model's, and every conversion has the model's click."""
    clicks = {str(i) + rfc3339(ms) for i, ms in db.execute(
        "SELECT click_id, (extract(epoch FROM click_date) * 1000)::bigint FROM click_events")}
    assert clicks == {c.id + rfc3339(c.ms) for c in reference.clicks}
    stored = {(str(i), ms): (click and str(click), click_ms) for i, ms, click, click_ms in db.execute(
        "SELECT conversion_id, (extract(epoch FROM conversion_date) * 1000)::bigint, click_id, "
        "(extract(epoch FROM click_date) * 1000)::bigint FROM conversion_events")}
    expected = {(i, ms): (click.id, click.ms) if click else (None, None)
                for (_, i, ms), click in reference.last_click.items()}
    wrong = {key: (stored.get(key), expected.get(key)) for key in stored.keys() | expected.keys()
             if stored.get(key) != expected.get(key)}
    assert not wrong, f"{len(wrong)} conversions wrong (stored, expected), first {list(wrong.items())[:3]}"


# --- bounds of an answer -------------------------------------------------------------------------

class Bounds:
    """Recounts the event tables over and over on a connection of its own, and so knows between which two numbers
    an answer must lie: what was committed a second before it was asked, and what was when it had come.

    Counts only ever grow while this runs, so that every sample that ended before bounds from below, every
    sample that began after from above.
    """

    def __init__(self, connect, statement, interval_s=0.05):
        """statement: rows of (key..., number), or of (campaign, day, number) and so on."""
        self.statement, self.interval_s = statement, interval_s
        self.samples = []               # (began, ended, {key: number})
        self._db = connect()
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, name="recount", daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._db.close()
        if self._error:
            raise self._error

    def _run(self):
        try:
            while True:
                last = self._stop.is_set()      # one sample begins after the last answer
                began = time.monotonic()
                rows = self._db.execute(self.statement).fetchall()
                self.samples.append((began, time.monotonic(),
                                     {tuple(map(str, row[:-1])): int(row[-1]) for row in rows}))
                if last:
                    return
                self._stop.wait(self.interval_s)
        except Exception as error:      # pylint: disable=broad-except
            self._error = error

    def violations(self, answers, slack_s=1.0):
        """answers: (asked, answered, key, number, note). Those that lie outside their bounds, explained."""
        ends = [ended for _, ended, _ in self.samples]
        begins = [began for began, _, _ in self.samples]
        found = []
        for asked, answered, key, number, note in answers:
            before = bisect.bisect_right(ends, asked - slack_s) - 1
            after = bisect.bisect_left(begins, answered)
            low = self.samples[before][2].get(key, 0) if before >= 0 else 0
            high = self.samples[after][2].get(key, 0)
            if not low <= number <= high:
                found.append(f"{note} {key}: answered {number}, expected {low} to {high} "
                             f"(asked at {asked:.3f}, answered in {(answered - asked) * 1000:.1f} ms)")
        return found


class Poller:
    """Asks one thing over and over in a thread of its own, at a steady rate, and keeps every answer."""

    def __init__(self, ask, rate, name="poller"):
        self.ask, self.interval_s = ask, 1 / rate
        self.answers = []               # whatever ask() yields
        self.rounds = 0
        self.began = self.ended = None
        self._stop = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self):
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self.ended = time.monotonic()
        if self._error:
            raise self._error

    @property
    def rate(self):
        return self.rounds / ((self.ended or time.monotonic()) - self.began)

    def _run(self):
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                self.answers.extend(self.ask())
                self.rounds += 1
                due = max(due + self.interval_s, time.monotonic() - 0.1)
                self._stop.wait(max(0, due - time.monotonic()))
        except Exception as error:      # pylint: disable=broad-except
            self._error = error


class Asker:
    """A keep-alive connection that costs less than `requests` does, for asking and sending often."""

    def __init__(self, server):
        self.address = server.url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(self.address, timeout=60)

    def request(self, method, path, body=None):
        """(asked, answered, parsed body); anything but 200 and 201 is an error."""
        headers = {"Content-Type": "application/json"} if body else {}
        asked = time.monotonic()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        answered = time.monotonic()
        assert answer.status in (200, 201), f"{method} {path}: {answer.status} {text[:300]}"
        return asked, answered, json.loads(text)

    def statistics(self, campaign, **params):
        query = "".join(f"&{name}={value}" for name, value in params.items())
        return self.request("GET", f"/api/campaigns/statistics?group_by=daily&campaign_id={campaign}{query}")

    def send(self, events):
        """Sends a batch; all of it must be accepted."""
        body = json.dumps([event.element() for event in events])
        _, _, answer = self.request("POST", "/api/events/batch", body)
        assert answer["accepted"] == len(events), str(answer)[:500]


@contextlib.contextmanager
def measured(what):
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.2f} s")
