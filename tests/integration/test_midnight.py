"""Midnight, closing days, and what comes late: no answer loses a day, in any process.

CLOCK_OFFSET_MS moves the program's wall clock so that a UTC midnight comes seconds after the start. Every answer
is held, for each day and each count, against plain recounts of the event tables.
"""

import contextlib
import datetime
import time

import pytest

import model
from harness import SLOW, eventually
from model import Asker, Bounds, Event, Poller

CAMPAIGNS = 3
LEAD_MS = int(8000 * SLOW)      # from the start of the program to midnight
AFTER_S = 3                     # how long events go on flowing then
LATE_S = 5                      # how soon journals must follow
BATCHES_PER_S = 20
PAIRS = 5                       # visits of a user in each batch
FIELDS = ("clicks", "conversions", "all")

# Each of these only ever grows: a conversion that has found a click never loses it.
COUNTS = """
    SELECT campaign_id::text, ((click_date AT TIME ZONE 'UTC')::date)::text, 'clicks', count(*)
    FROM click_events GROUP BY 1, 2
    UNION ALL
    SELECT campaign_id::text, ((conversion_date AT TIME ZONE 'UTC')::date)::text, 'conversions', count(click_id)
    FROM conversion_events GROUP BY 1, 2
    UNION ALL
    SELECT campaign_id::text, ((conversion_date AT TIME ZONE 'UTC')::date)::text, 'all', count(*)
    FROM conversion_events GROUP BY 1, 2
"""


class Midnight:
    """The clock of the program, set so that a midnight is near."""

    def __init__(self):
        real = model.now_ms()
        self.ms = model.ms_of_day(model.day_of(real) + datetime.timedelta(days=1))
        self.offset_ms = self.ms - LEAD_MS - real
        self.ended, self.begun = model.day_of(self.ms - 1), model.day_of(self.ms)

    def now_ms(self):
        return model.now_ms() + self.offset_ms

    def wait(self, seconds_after=0.0):
        time.sleep(max(0, (self.ms - self.now_ms()) / 1000) + seconds_after)

    def is_past(self):
        return self.now_ms() >= self.ms


class Visits:
    """Clicks and conversions of now: some before their click, some without, some a little late."""

    def __init__(self, rng, now_ms):
        self.rng, self.now_ms = rng, now_ms
        self.campaigns = [model.new_uuid(rng) for _ in range(CAMPAIGNS)]
        self.accepted = []
        self._owed = []         # clicks whose conversion was sent before them

    def make(self):
        rng, events = self.rng, []
        while self._owed and rng.random() < 0.5:
            events.append(self._owed.pop(0))
        for _ in range(PAIRS):
            now_ms = self.now_ms()
            ms = now_ms - rng.choice((0, 0, 0, rng.randrange(3000)))
            click = Event("click", model.new_uuid(rng), ms, model.new_uuid(rng), rng.choice(self.campaigns), "mail")
            bought = click._replace(kind="conversion", id=model.new_uuid(rng), ms=min(now_ms, ms + rng.randrange(500)),
                                    type="purchase", value_minor=rng.randrange(100_000))
            what = rng.random()
            if what < 0.6:
                events += [click, bought]
            elif what < 0.9:
                events.append(bought)
                self._owed.append(click)
            else:
                events.append(bought)
        self.accepted += events
        return events


def numbers_of(answer):
    """{(day, field): number} of a statistics answer."""
    numbers = {}
    for row in answer["data"]:
        numbers[row["period"], "clicks"] = row["total_clicks"]
        numbers[row["period"], "conversions"] = row["total_conversions"]
        numbers[row["period"], "all"] = row["total_conversions"] + row["unattributed_conversions"]
    return numbers


class Questions:
    """Asks a server for the campaigns and for these ranges in turn; all of them hold all of the days."""

    def __init__(self, server, campaigns, days, ranges, name):
        self.asker, self.campaigns, self.ranges, self.name = Asker(server), campaigns, ranges, name
        self.days = [str(day) for day in days]
        self.n = 0

    def __call__(self):
        self.n += 1
        campaign = self.campaigns[self.n % len(self.campaigns)]
        params = self.ranges[self.n // len(self.campaigns) % len(self.ranges)]
        asked, answered, answer = self.asker.statistics(campaign, **params)
        numbers = numbers_of(answer)
        return [(asked, answered, (campaign, day, field), numbers.get((day, field), 0), self.name)
                for day in self.days for field in FIELDS]


def assert_right(bounds, *pollers):
    for poller in pollers:
        violations = bounds.violations(poller.answers)
        assert not violations, f"{len(violations)} of {len(poller.answers)} numbers are wrong, first:\n" + \
            "\n".join(violations[:10])
        assert_sums_never_fall(poller.answers)
        print(f"{len(poller.answers)} numbers at {poller.rate:.0f} answers/s, {len(bounds.samples)} recounts")
        assert poller.rate >= 20 / SLOW, f"only {poller.rate:.1f} answers a second: this proves too little"


def assert_sums_never_fall(answers):
    """Over both days together, an answer is never below what had been answered a second before it was asked."""
    sums = {}
    for asked, answered, (campaign, _, field), number, _ in answers:
        key = asked, answered, campaign, field
        sums[key] = sums.get(key, 0) + number
    history = {}                # (campaign, field) -> [(answered, highest sum so far)], ascending
    for (asked, answered, campaign, field), total in sums.items():
        seen = history.setdefault((campaign, field), [])
        before = [highest for when, highest in seen if when <= asked - 1.0][-1:]
        assert total >= (before[0] if before else 0), \
            f"{field} of {campaign} fell from {before} to {total} (asked at {asked:.3f})"
        seen.append((answered, max(total, seen[-1][1] if seen else 0)))


def closed_through(world):
    return world.sql("SELECT greatest(closed_through, '1970-01-01') FROM journal_state")[0][0]


@contextlib.contextmanager
def journals_held_off(world, held):
    """Whoever wants to write journals waits: this is the lock that journal transactions take."""
    db = world.db()
    if held:
        db.execute("SELECT pg_advisory_lock(hashtext('journal'))")
    yield
    if held:
        assert db.execute("SELECT pg_advisory_unlock(hashtext('journal'))").fetchone() == (True,)


@pytest.mark.parametrize("held, processes", [(False, 1), (True, 2)], ids=["one-process", "journals-held-off-two-processes"])
def test_no_answer_loses_a_day_at_midnight(world, held, processes):
    rng = model.seeded_random()
    world.migrate()
    midnight = Midnight()
    servers = [world.serve(CLOCK_OFFSET_MS=midnight.offset_ms, wait=False) for _ in range(processes)]
    for server in servers:
        server.wait_ready()
    visits = Visits(rng, midnight.now_ms)
    first = visits.make()
    first += [Event("click", model.new_uuid(rng), midnight.now_ms(), model.new_uuid(rng), campaign, "mail")
              for campaign in visits.campaigns]
    visits.accepted += first[-CAMPAIGNS:]
    Asker(servers[0]).send(first)
    world.wait_processed()
    assert not midnight.is_past(), "the start took too long for this test"
    print(f"ready {(midnight.ms - midnight.now_ms()) / 1000:.1f} s before midnight")
    eventually(lambda: closed_through(world) == midnight.ended - datetime.timedelta(days=1), LATE_S)

    senders = [Asker(server) for server in servers]

    def send():
        senders[len(visits.accepted) % processes].send(visits.make())
        return []
    days = midnight.ended, midnight.begun
    ranges = {}, {"from": days[0]}, {"from": days[0], "to": days[1]}
    with contextlib.ExitStack() as stack:
        held_off = stack.enter_context(contextlib.ExitStack())
        held_off.enter_context(journals_held_off(world, held))
        bounds = stack.enter_context(Bounds(world.db, COUNTS))
        pollers = [stack.enter_context(Poller(Questions(server, visits.campaigns, days, ranges, f"process {i}"),
                                              90 / processes, f"poller {i}"))
                   for i, server in enumerate(servers)]
        load = stack.enter_context(Poller(send, BATCHES_PER_S, "load"))
        midnight.wait(AFTER_S)
        if held:
            assert closed_through(world) < midnight.ended
            held_off.close()
        eventually(lambda: closed_through(world) == midnight.ended, LATE_S, "the day that ended is closed")
        print(f"closed at most {(midnight.now_ms() - midnight.ms) / 1000:.2f} s after midnight")
        time.sleep(1.5)         # answers from the closed day's journal, and late events into it
    print(f"{len(visits.accepted)} events at {load.rate:.0f} batches/s")

    world.wait_processed()
    assert_right(bounds, *pollers)
    reference = model.Model(visits.accepted)
    assert {day for _, day in reference.days} == set(days)
    assert model.recount(world.db()) == reference.days
    model.assert_attribution(world.db(), reference)
    eventually(lambda: model.journals_follow(world.db()), LATE_S, "the journals equal the recount")
    for server in servers:
        for campaign in visits.campaigns:
            for group_by in ("daily", "weekly", "monthly"):
                expected = reference.periods(campaign, group_by)
                eventually(lambda: model.periods_of_answer(
                    server.statistics(campaign, group_by=group_by)) == expected, 1, f"{group_by} at rest")
        assert server.metrics()['tyr_statistics_source_total{source="cache"}'] > 0


def test_late_events_into_closed_days_are_right_everywhere(world):
    """A late click into a closed day, and one that gives a closed day's conversion its click, from either process."""
    rng = model.seeded_random()
    days = [model.today_utc() - datetime.timedelta(days=n) for n in (40, 4, 3)]
    campaigns = [model.new_uuid(rng) for _ in range(2)]
    servers = [world.serve(), world.serve()]
    accepted = []

    def send(server, *events):
        accepted.extend(events)
        Asker(server).send(list(events))

    def some_ms(day):
        return model.ms_of_day(day) + rng.randrange(model.MS_PER_DAY)

    # Conversions just after a midnight, whose clicks are still to come from the day before.
    waiting = [Event("conversion", model.new_uuid(rng), model.ms_of_day(days[2]) + rng.randrange(model.MS_PER_HOUR),
                     model.new_uuid(rng), rng.choice(campaigns), "mail", "purchase", 1999) for _ in range(12)]
    send(servers[0], *waiting, *[Event("click", model.new_uuid(rng), some_ms(day), model.new_uuid(rng), campaign, "mail")
                                 for campaign in campaigns for day in days for _ in range(5)])
    world.wait_processed()
    eventually(lambda: model.journals_follow(world.db()), LATE_S)
    for server in servers:      # both have the campaigns in their caches
        for campaign in campaigns:
            server.statistics(campaign)
            eventually(lambda: cached_answer(server, campaign), LATE_S, "history is answered from the cache")

    with contextlib.ExitStack() as stack:
        bounds = stack.enter_context(Bounds(world.db, COUNTS, 0.02))
        ranges = [{"from": days[0]}]
        pollers = [stack.enter_context(Poller(Questions(server, campaigns, days, ranges, f"process {i}"), 60))
                   for i, server in enumerate(servers)]
        for n, conversion in enumerate(waiting):
            time.sleep(0.25 + rng.random() * 0.3)
            late = Event("click", model.new_uuid(rng), some_ms(rng.choice(days)), model.new_uuid(rng),
                         conversion.campaign, "mail")
            earning = conversion._replace(kind="click", id=model.new_uuid(rng), type="", value_minor=0,
                                          ms=model.ms_of_day(days[2]) - rng.randrange(1, 20 * model.MS_PER_HOUR))
            send(servers[n % 2], late, earning)
        time.sleep(1.5)
        for server in servers:
            for campaign in campaigns:
                assert sum(total for (_, field), total in numbers_of(server.statistics(
                    campaign, **{"from": str(days[0])})).items() if field == "conversions") == \
                    sum(c.campaign == campaign for c in waiting)
    assert_right(bounds, *pollers)
    reference = model.Model(accepted)
    assert model.recount(world.db()) == reference.days
    eventually(lambda: model.journals_follow(world.db()), LATE_S, "journals, weeks and months have followed")


def cached_answer(server, campaign):
    name = 'tyr_statistics_source_total{source="cache"}'
    before = server.metrics()[name]
    server.statistics(campaign)
    return server.metrics()[name] > before
