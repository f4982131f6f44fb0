"""What the published reference gets wrong: one test for each sentence of the design, which it fails and this passes."""

import datetime
import itertools
import random
import signal
from decimal import Decimal

import pytest

import model
from harness import World, click_body, conversion_body, eventually, new_id
from model import Event

SECOND, HOUR = 1000, model.MS_PER_HOUR


@pytest.fixture(scope="module")
def shared(services, tmp_path_factory):
    """One world and one running program for the tests that leave both alone; each has campaigns of its own."""
    services.heal()
    with services.redis_number() as number:
        world = World(services, tmp_path_factory.mktemp("shared"), number)
        try:
            world.server = world.serve()
            yield world
        finally:
            world.close()


class Case:
    """A user and a campaign of his own, and the shortest way to say what he does."""

    def __init__(self, world):
        self.server = world.server
        self.world = world
        self.campaign, self.user = new_id(), new_id()

    def click(self, ms):
        return self.server.click(campaign_id=self.campaign, user_id=self.user,
                                 click_date=model.rfc3339(ms))["click_id"]

    def conversion(self, ms, value=10):
        return self.server.conversion(campaign_id=self.campaign, user_id=self.user, value=value,
                                      conversion_date=model.rfc3339(ms))["conversion_id"]

    def earner(self, conversion):
        """The click that earned it."""
        self.world.wait_processed()
        return self.world.sql("SELECT click_id::text FROM conversion_events WHERE conversion_id = %s", conversion)[0][0]

    def statistics(self, group_by="daily", **params):
        self.world.wait_processed()
        return model.periods_of_answer(self.server.statistics(self.campaign, group_by=group_by, **params))

    def write_journals(self, **body):
        answer = self.server.post("/api/campaigns/journal", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def journals(self):
        """{day: Totals}"""
        return {day: totals for (campaign, day), totals in model.journals(self.world.db()).items()
                if campaign == self.campaign}


@pytest.fixture
def case(shared):
    return Case(shared)


def noon(days_ago):
    return model.ms_of_day(model.today_utc() - datetime.timedelta(days=days_ago)) + 12 * HOUR


def day(days_ago):
    return model.today_utc() - datetime.timedelta(days=days_ago)


# --- attribution ---------------------------------------------------------------------------------

def test_a_click_after_the_conversion_never_wins(case):
    right = case.click(noon(1) - SECOND)
    case.click(noon(1) + 1)
    bought = case.conversion(noon(1))
    assert case.earner(bought) == right
    case.click(noon(1) + 2)                     # not even one that comes later
    assert case.earner(bought) == right

    other = Case(case.world)
    other.click(noon(1) + 1)
    assert other.earner(other.conversion(noon(1))) is None
    assert other.statistics()[str(day(1))] == model.Totals(1, 0, 0, 1, 1000)


def test_a_conversion_that_overtakes_its_click_is_attributed(case):
    bought = case.conversion(noon(0) - 14 * HOUR)
    assert case.earner(bought) is None
    early = case.click(noon(0) - 16 * HOUR)
    assert case.earner(bought) == early
    late = case.click(noon(0) - 15 * HOUR)      # and by the last click, whenever it comes
    assert case.earner(bought) == late
    assert sum(t.conversions for t in case.statistics().values()) == 1


# --- nothing is lost -----------------------------------------------------------------------------

def test_a_new_consumer_group_starts_at_the_beginning(world):
    rng = model.seeded_random()
    last = model.ms_of_day(model.today_utc()) - 1
    workload = model.Workload(rng, 500, last - 3 * model.MS_PER_DAY, last)
    reference = model.Model(workload.events)
    half = len(workload.events) // 2

    def send(events):
        for event in events:
            world.produce(event.kind, event.message(), event.user.encode())
    send(workload.events[:half])                # before any consumer has ever been there
    world.flush()
    server = world.serve()
    world.wait_processed()
    assert world.sql("SELECT (SELECT count(*) FROM click_events) + (SELECT count(*) FROM conversion_events)") == [(half,)]
    assert server.stop() == 0

    send(workload.events[half:])                # nobody runs meanwhile
    world.flush()
    world.serve(KAFKA_GROUP_ID=world.env["KAFKA_GROUP_ID"] + "-other")
    world.wait_processed()                      # another group: nothing lost, nothing counted twice
    assert model.recount(world.db()) == reference.days == model.day_shares(world.db())
    assert world.sql("SELECT sum(duplicate[1] + duplicate[2] + reread[1] + reread[2]) FROM partition_fences") == [(0,)]


def test_a_database_error_loses_no_event(case):
    """The reference marks the message all the same. Here the database has no room for some events for a while."""
    campaign = case.campaign
    case.world.sql("CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS "
                   "$$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$")
    case.world.sql("CREATE TRIGGER no_room BEFORE INSERT ON click_events FOR EACH ROW "
                   f"WHEN (NEW.campaign_id = '{campaign}') EXECUTE FUNCTION no_room()")
    clicks = [case.click(noon(1) + i) for i in range(5)]
    errors = 'tyr_batch_retries_total'
    eventually(lambda: case.server.metrics()[errors] > 0)
    assert case.world.recount(campaign) == {}
    case.world.sql("DROP FUNCTION no_room CASCADE")
    case.world.wait_processed()
    assert {c for (c,) in case.world.sql("SELECT click_id::text FROM click_events WHERE campaign_id = %s", campaign)} \
        == set(clicks)
    assert case.statistics()[str(day(1))].clicks == 5


def test_rows_and_counters_never_part(world):
    """Insert and INCR are not atomic in the reference: a process that dies in between miscounts for ever."""
    rng = model.seeded_random()
    campaign, n = model.new_uuid(rng), 20_000
    for _ in range(n):
        click = Event("click", model.new_uuid(rng), model.now_ms(), model.new_uuid(rng), campaign, "mail")
        world.produce("click", click.message(), click.user.encode())
    world.flush()
    server = world.serve(BATCH_MAX_EVENTS=300)
    eventually(lambda: world.sql("SELECT count(*) >= %s FROM click_events", rng.randrange(1, n // 2)) == [(True,)])
    server.signal(signal.SIGKILL)
    assert server.wait_exit() == -signal.SIGKILL
    assert world.behind(), "it was killed too late to prove anything"
    world.serve()
    world.wait_processed()
    assert sum(totals[0] for totals in world.recount(campaign).values()) == n
    redis = world.redis()
    eventually(lambda: sum(int(redis.get(key)) for key in redis.keys(f"click_count:{campaign}:*")) == n, 5)


# --- journals ------------------------------------------------------------------------------------

def test_journals_come_from_buckets_not_from_redis(case):
    """The reference overwrites a journal with zeros when a key is missing."""
    case.click(noon(1) - HOUR)
    case.conversion(noon(1), 12.34)
    case.world.wait_processed()
    expected = {day(1): model.Totals(1, 1, 1234)}
    redis = case.world.redis()
    for lose in (lambda: redis.delete(*redis.keys(f"*:{case.campaign}:*")), redis.flushdb):
        eventually(lambda: redis.keys(f"click_count:{case.campaign}:*"))
        lose()
        answer = case.server.post("/api/calculate-yesterday-metrics")
        assert answer.status_code == 200, answer.text
        assert case.journals() == expected


def test_a_day_is_closed_from_its_buckets_without_redis(world):
    """The same when the day ends by itself, at a midnight that comes soon: the keys are deleted again and again."""
    midnight = model.ms_of_day(model.today_utc() + datetime.timedelta(days=1))
    world.migrate()
    offset = midnight - 4 * SECOND - model.now_ms()
    server = world.serve(CLOCK_OFFSET_MS=offset)
    campaign, user = new_id(), new_id()
    server.click(campaign_id=campaign, user_id=user, click_date=model.rfc3339(midnight - HOUR))
    server.conversion(campaign_id=campaign, user_id=user, conversion_date=model.rfc3339(midnight - HOUR), value="0.30")
    world.wait_processed()
    ended = model.day_of(midnight - 1)

    def closed():
        world.redis().flushdb()
        return world.sql("SELECT closed_through >= %s FROM journal_state", ended) == [(True,)]
    eventually(closed, 15)
    assert model.now_ms() + offset >= midnight
    assert model.journals(world.db()) == {(campaign, ended): model.Totals(1, 1, 30)}


def test_any_day_can_be_journaled_and_late_events_reach_it(case):
    """The reference knows only yesterday, and what comes late never reaches a journal."""
    case.click(noon(100) - HOUR)
    case.conversion(noon(100))
    case.click(noon(98))
    case.world.wait_processed()
    assert case.write_journals(date=str(day(100)))["days"] == 1
    assert case.journals()[day(100)] == model.Totals(1, 1, 1000)
    assert case.write_journals(**{"from": str(day(101)), "to": str(day(98))})["days"] == 4
    assert case.journals() == {day(100): model.Totals(1, 1, 1000), day(98): model.Totals(1)}

    case.click(noon(98) + SECOND)
    case.conversion(noon(98) + HOUR)
    case.conversion(noon(100) + 2 * HOUR, "0.01")
    expected = {day(100): model.Totals(1, 2, 1001), day(98): model.Totals(2, 1, 1000)}
    eventually(lambda: case.journals() == expected, 5, "late events are in the journals")
    answer = case.statistics(**{"from": str(day(101)), "to": str(day(97))})
    assert answer == {str(d): totals for d, totals in expected.items()}


def test_more_campaign_days_than_one_transaction_takes(world):
    """Of three days with 799 campaigns and what no campaign earned, two are asked for: all of these, and no other."""
    server = world.serve()
    events = [click_body(campaign_id=new_id(), click_date=model.rfc3339(noon(ago))) | {"event": "click"}
              for ago in (70, 71, 72) for _ in range(799)]
    nobody = conversion_body(conversion_date=model.rfc3339(noon(71)), value="7.00") | {"event": "conversion"}
    del nobody["campaign_id"]
    for first in range(0, len(events), 500):
        assert server.batch(events[first:first + 500])["accepted"] == len(events[first:first + 500])
    assert server.batch([nobody])["accepted"] == 1
    eventually(lambda: world.sql("SELECT count(*) FROM campaign_journals") == [(3 * 799 + 1,)], 30, "late events' journals")
    world.sql("DELETE FROM campaign_journals")
    world.sql("DELETE FROM campaign_statistics")
    answer = server.post("/api/campaigns/journal", {"from": str(day(71)), "to": str(day(70))})
    assert answer.status_code == 200, answer.text
    expected = {(event["campaign_id"], day(ago)): model.Totals(1)
                for ago, start in ((70, 0), (71, 799)) for event in events[start:start + 799]}
    expected["00000000-0000-0000-0000-000000000000", day(71)] = model.Totals(0, 0, 0, 1, 700)
    assert model.journals(world.db()) == expected
    assert world.sql("SELECT count(*), sum(clicks) FROM campaign_statistics WHERE period_kind = 'monthly'"
                     ) == [(1599, 1598)]


def test_a_day_with_conversions_and_no_click_has_a_journal(case):
    case.click(noon(51) + 13 * HOUR)            # 01:00 on the next day
    case.click(noon(52) + 11 * HOUR)            # 23:00 on the day before the conversion's
    case.conversion(noon(51) + HOUR)            # more than nothing, but with no click on its own day before it
    lonely = Case(case.world)
    lonely.conversion(noon(51))
    case.world.wait_processed()
    case.write_journals(date=str(day(51)))
    assert case.journals()[day(51)] == model.Totals(0, 1, 1000)
    assert lonely.journals()[day(51)] == model.Totals(0, 0, 0, 1, 1000)
    answer = case.statistics(**{"from": str(day(51)), "to": str(day(51))})
    assert answer == {str(day(51)): model.Totals(0, 1, 1000)}


def test_two_journal_runs_make_one_row(case):
    case.click(noon(1))
    case.world.wait_processed()
    for _ in range(2):
        case.write_journals(date=str(day(1)))
        assert case.server.post("/api/calculate-yesterday-metrics").status_code == 200
    rows = case.world.sql("SELECT day, clicks FROM campaign_journals WHERE campaign_id = %s", case.campaign)
    assert rows == [(day(1), 1)]
    rows = case.world.sql("SELECT period_kind, count(*), sum(clicks) FROM campaign_statistics WHERE campaign_id = %s "
                          "GROUP BY period_kind ORDER BY period_kind", case.campaign)
    assert rows == [("monthly", 1, 1), ("weekly", 1, 1)]


# --- statistics ----------------------------------------------------------------------------------

def test_weekly_and_monthly_include_today(case):
    now = model.now_ms()
    today = model.day_of(now)
    case.click(now)
    case.conversion(now, 5)
    totals = model.Totals(1, 1, 500)
    assert case.statistics()[str(today)] == totals
    assert case.statistics("weekly") == {model.period_of(today, "weekly"): totals}
    assert case.statistics("monthly") == {model.period_of(today, "monthly"): totals}


@pytest.mark.parametrize("values", [
    [0.1, 0.2], [0.1], ["0.10", 0.7, 1.1, "2.675", 33.33, 1e-2, 19.99],
    [9999999999999.99, "9999999999999.98", 0.01],
], ids=["0.1+0.2", "0.1", "mixed", "large"])
def test_value_is_exact(case, values):
    """1,000 conversions; the sum is that of the decimals, where a float's is not."""
    rng = random.Random(0)
    case.click(noon(1) - HOUR)
    thousand = list(itertools.islice(itertools.cycle(values), 1000))
    rng.shuffle(thousand)
    answer = case.server.batch([
        {"event": "conversion"} | conversion_body(campaign_id=case.campaign, user_id=case.user, value=value,
                                                  conversion_date=model.rfc3339(noon(1) + i))
        for i, value in enumerate(thousand)])
    assert answer["accepted"] == 1000
    case.world.wait_processed()
    cent = Decimal("0.01")
    expected = sum(Decimal(str(value)).quantize(cent, rounding="ROUND_HALF_UP") for value in thousand)
    row, = case.server.statistics(case.campaign)["data"]
    assert row["total_conversions"] == 1000
    assert row["total_value"] == f"{expected:.2f}"
    redis = case.world.redis()
    eventually(lambda: int(redis.get(f"conversion_value:{case.campaign}:{day(1)}")) == expected * 100)


@pytest.mark.parametrize("local, offset_minutes, days_ago", [
    ("23:30", -5 * 60, 1),      # is 04:30 UTC on the next day
    ("00:30", 14 * 60, 3),      # is 10:30 UTC on the day before
    ("05:29", 330, 3),          # is 23:59 UTC on the day before
    ("05:30", 330, 2),          # is 00:00 UTC
])
def test_the_day_of_an_event_is_its_utc_day(case, local, offset_minutes, days_ago):
    """The reference counts on the client's day."""
    sign = "-" if offset_minutes < 0 else "+"
    zone = f"{sign}{abs(offset_minutes) // 60:02}:{abs(offset_minutes) % 60:02}"
    when = f"{day(2)}T{local}:00{zone}"
    case.server.click(**click_body(campaign_id=case.campaign, user_id=case.user, click_date=when))
    case.server.conversion(**conversion_body(campaign_id=case.campaign, user_id=case.user, conversion_date=when))
    assert case.statistics() == {str(day(days_ago)): model.Totals(1, 1, 1000)}
    case.write_journals(date=str(day(days_ago)))
    assert case.journals() == {day(days_ago): model.Totals(1, 1, 1000)}


def test_the_day_of_a_counter_is_the_utc_day(case):
    now = model.now_ms()
    today = model.day_of(now)
    for offset_minutes in (0, -11 * 60, 14 * 60):       # three dates at the client, one in UTC
        case.server.click(campaign_id=case.campaign, click_date=model.rfc3339(now, offset_minutes))
    redis = case.world.redis()
    eventually(lambda: redis.get(f"click_count:{case.campaign}:{today}") == "3")
    assert len(redis.keys(f"click_count:{case.campaign}:*")) == 1
