"""`tyrattribution reconcile` finds what is not what a recount of the events says, and --repair mends it."""

import contextlib
import re
import threading
import time

import pytest

import model
from harness import eventually, rfc3339, today
from model import Asker, Event

CLEAN, FAILED, USAGE, DIFFERS = range(4)
CHECKS = ("fences", "stored events", "dead letters", "attribution", "click_buckets", "conversion_buckets",
          "day_shares", "campaign_journals", "campaign_quarters", "campaign_statistics", "redis")


def line_of(done, check):
    """(state, the check's lines) of the last round that was printed."""
    rounds = re.findall(rf"^(ok|DIFFERS|skipped) +{check} .*\n(?: .*\n)*", done.stdout, re.M)
    assert rounds, f"no line of {check}:\n{done.stdout}\n{done.stderr}"
    text = [m.group(0) for m in re.finditer(rf"^(?:ok|DIFFERS|skipped) +{check} .*\n(?: .*\n)*", done.stdout, re.M)]
    return rounds[-1], text[-1]


def reconcile(world, *args):
    return world.run("reconcile", *args)


def assert_clean(world, *args):
    done = reconcile(world, *args)
    assert done.returncode == CLEAN, done.stdout + done.stderr
    for check in CHECKS:
        assert line_of(done, check)[0] in ("ok", "skipped"), done.stdout
    return done


def assert_finds(world, *checks):
    """Only these checks differ."""
    done = reconcile(world)
    assert done.returncode == DIFFERS, done.stdout + done.stderr
    found = {check for check in CHECKS if line_of(done, check)[0] == "DIFFERS"}
    assert found == set(checks), done.stdout
    return done


class Events:
    """Customers who click and convert, today and in the days before."""

    def __init__(self, rng, campaigns=2):
        self.rng = rng
        self.campaigns = [model.new_uuid(rng) for _ in range(campaigns)]
        self.sent = []

    def make(self, users, days_ago):
        """For each user a click, a conversion of it, and now and then one without."""
        events = []
        for i in range(users):
            user, campaign = model.new_uuid(self.rng), self.campaigns[i % len(self.campaigns)]
            ms = model.now_ms() - days_ago * model.MS_PER_DAY - self.rng.randrange(60_000)
            click = Event("click", model.new_uuid(self.rng), ms - 1000, user, campaign, "newsletter")
            events.append(click)
            events.append(Event("conversion", model.new_uuid(self.rng), ms, user, campaign, "newsletter", "purchase",
                                self.rng.randrange(1, 10_000)))
            if i % 3 == 0:
                events.append(Event("conversion", model.new_uuid(self.rng), ms, user, campaign, "other", "signup", 0))
        self.sent += events
        return events


@contextlib.contextmanager
def load(server, events, pause_s=0.05):
    """Light load until the block ends, of today and of two days ago."""
    stop, errors = threading.Event(), []

    def send():
        asker, n = Asker(server), 0
        try:
            while not stop.is_set():
                asker.send(events.make(4, n % 3 == 0 and 2 or 0))
                n += 1
                time.sleep(pause_s)
        except Exception as error:      # pylint: disable=broad-except
            errors.append(error)
    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not errors, errors


@pytest.fixture
def served(world):
    """A server with some history and something of today, all of it processed and journaled."""
    server = world.serve(WRITERS=2)
    events = Events(model.seeded_random())
    asker = Asker(server)
    for days_ago in (40, 2, 1, 0):
        asker.send(events.make(30, days_ago))
    world.wait_processed()
    wait_journaled(world)
    return server, events


def wait_journaled(world):
    """Every listed change is in the journals."""
    eventually(lambda: not world.sql(
        "SELECT 1 FROM journal_changes c LEFT JOIN journal_progress p USING (shard)"
        " WHERE c.version > coalesce(p.version, -1)"), 10, "the journals have followed")


def damage(world, statement, *params):
    """Change exactly one row by hand; under load it may move away in between."""
    rows = eventually(lambda: world.sql(statement + " RETURNING 1", *params), 5, statement)
    assert len(rows) == 1, (statement, rows)


TABLE_DAMAGE = {
    "click_buckets": "UPDATE click_buckets SET clicks = clicks + 1 WHERE ctid = (SELECT min(ctid) FROM click_buckets)",
    "conversion_buckets": "DELETE FROM conversion_buckets WHERE ctid = (SELECT min(ctid) FROM conversion_buckets)",
    "day_shares": "UPDATE day_shares SET value_minor = value_minor + 7 WHERE ctid = ("
                  "SELECT min(ctid) FROM day_shares WHERE day < current_date - 3)",
    "campaign_journals": "UPDATE campaign_journals SET conversions = conversions - 1 WHERE ctid = ("
                         "SELECT min(ctid) FROM campaign_journals)",
    "campaign_quarters": "UPDATE campaign_quarters SET quarters = set_byte(quarters, 9, get_byte(quarters, 9) # 1)"
                         " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model <> '')",
    "campaign_statistics": "DELETE FROM campaign_statistics WHERE ctid = ("
                           "SELECT min(ctid) FROM campaign_statistics)",
    "fences": "UPDATE partition_fences SET stored[1] = stored[1] - 1 WHERE partition = 1",
}


def test_a_clean_world(world, served):
    del served
    done = assert_clean(world)
    assert re.search(r"^ok +kafka +0 clicks, 0 conversions and 0 adjustments pending$", done.stdout, re.M), done.stdout
    assert_clean(world, "--day", today(-2))
    assert_clean(world, "--day", f"{today(-60)}..{today(-1)}")


@pytest.mark.parametrize("check", TABLE_DAMAGE)
def test_finds_damage_in(world, served, check):
    del served
    damage(world, TABLE_DAMAGE[check])
    print(assert_finds(world, check).stdout)


# By name: what is done to campaign_quarters, and what reconcile must say of it.
QUARTERS_DAMAGE = {
    "lost": ("DELETE FROM campaign_quarters WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = '')",
             "clicks 0 stored, "),
    "one-click-more": ("UPDATE campaign_quarters SET quarters = set_byte(quarters, 9, get_byte(quarters, 9) + 1)"
                       " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = '')", "clicks "),
    "another-value": ("UPDATE campaign_quarters SET quarters = set_byte(quarters, 25, get_byte(quarters, 25) # 1)"
                      " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = 'linear')", "value_minor "),
    "huge": ("UPDATE campaign_quarters SET quarters = quarters || int2send((256 + 95)::int2) || int8send(0) ||"
             " int8send(0) || int8send(2) || int8send(0)"
             " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = 'linear')", "value_minor 2000000000"),
    "another-quarter": ("UPDATE campaign_quarters SET quarters = set_byte(quarters, 1, (get_byte(quarters, 1) + 1) % 96)"
                        " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = 'time_decay')",
                        "the same sums, but not in the same quarters"),
    "cut-off": ("UPDATE campaign_quarters SET quarters = substring(quarters FOR octet_length(quarters) - 1)"
                " WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model = 'last_click')", "conversions "),
    "invented": ("INSERT INTO campaign_quarters SELECT campaign_id, '2024-02-04', 'first_click', quarters"
                 " FROM campaign_quarters WHERE ctid = (SELECT min(ctid) FROM campaign_quarters WHERE model <> '')",
                 ", 0 recounted"),
}


@pytest.mark.parametrize("how", QUARTERS_DAMAGE)
def test_damage_in_packed_quarters(world, served, how):
    """It is found, told, and mended; statistics in another zone, which are read from there, are right again."""
    server, events = served
    campaign = events.campaigns[0]

    def kathmandu():
        return server.statistics(campaign, tz="Asia/Kathmandu", compare="linear,time_decay,last_click",
                                 **{"from": today(-60), "to": today(-3)})["data"]
    before = kathmandu()
    packed = world.sql("SELECT * FROM campaign_quarters ORDER BY 1, 2, 3")
    statement, words = QUARTERS_DAMAGE[how]
    damage(world, statement)
    done = assert_finds(world, "campaign_quarters")
    assert words in line_of(done, "campaign_quarters")[1], done.stdout
    repair(world)
    assert_clean(world)
    assert world.sql("SELECT * FROM campaign_quarters ORDER BY 1, 2, 3") == packed
    assert kathmandu() == before


SUMS = ("conversion_buckets", "day_shares", "campaign_journals", "campaign_quarters", "campaign_statistics")
OLD_CONVERSION = ("WHERE (conversion_id, conversion_date) = (SELECT conversion_id, conversion_date"
                  " FROM conversion_events WHERE conversion_date < now() - interval '30 days' AND {} LIMIT 1)")
ATTRIBUTION_DAMAGE = {
    "lost": ("UPDATE conversion_events SET click_id = NULL, click_date = NULL, touch_ids = '{}', touch_dates = '{}', "
             "touch_campaigns = '{}', touch_sources = '{}', credits = '{}' "
             + OLD_CONVERSION.format("click_id IS NOT NULL"), SUMS),
    "no-last-click": ("UPDATE conversion_events SET click_id = NULL, click_date = NULL "
                      + OLD_CONVERSION.format("click_id IS NOT NULL"), ()),
    "given": ("UPDATE conversion_events SET click_id = gen_random_uuid(), click_date = conversion_date "
              + OLD_CONVERSION.format("click_id IS NULL"), ()),
    "another": ("UPDATE conversion_events SET click_id = gen_random_uuid() "
                + OLD_CONVERSION.format("click_id IS NOT NULL"), ()),
    "credit": ("UPDATE conversion_events SET credits[cardinality(touch_ids) + 1] = 1 "
               + OLD_CONVERSION.format("touch_ids <> '{}'"), ("conversion_buckets", "campaign_quarters")),
}


@pytest.mark.parametrize("how", ATTRIBUTION_DAMAGE)
def test_finds_wrong_attribution(world, served, how):
    del served
    statement, sums = ATTRIBUTION_DAMAGE[how]
    damage(world, statement)
    print(assert_finds(world, "attribution", *sums).stdout)


def of_today(world, events):
    """A campaign and the suffix of its keys of the day that has its newest click."""
    campaign = events.campaigns[0]
    day = world.sql("SELECT max(day)::text FROM day_shares WHERE campaign_id = %s", campaign)[0][0]
    return f"{campaign}:{day}"


def change_share(world, events):
    """A shard's share says one click more, and so does the total."""
    redis, day = world.redis(), of_today(world, events)
    shares = {k: v for k, v in redis.hgetall(f"live_shares:{day}").items() if k != "deployment"}
    shard, share = max(shares.items(), key=lambda item: int(item[1].split()[1]))
    words = share.split()
    words[1] = str(int(words[1]) + 1)
    redis.hset(f"live_shares:{day}", shard, " ".join(words))
    redis.incr(f"click_count:{day}")


def change_total(world, events):
    world.redis().incrby(f"conversion_count:{of_today(world, events)}", 5)


def break_total(world, events):
    world.redis().set(f"click_count:{of_today(world, events)}", "many", keepttl=True)


def invent_version(world, events):
    """A share of a version that is still to come would keep the real one out."""
    redis, day = world.redis(), of_today(world, events)
    share = redis.hget(f"live_shares:{day}", "0").split()
    redis.hset(f"live_shares:{day}", "0", " ".join(["1000000"] + share[1:]))


def invent_day(world, events):
    """A campaign's day that PostgreSQL knows nothing of."""
    redis, known = world.redis(), of_today(world, events)
    deployment = redis.hget(f"live_shares:{known}", "deployment")
    if deployment is None:
        raise ValueError("no day to take it from")
    day = f"{model.new_uuid(events.rng)}:{today()}"
    redis.hset(f"live_shares:{day}", mapping={"deployment": deployment, "0": "1 5 0 0 0 0"})
    for name, n in (("click_count", 5), ("conversion_count", 0), ("conversion_value", 0), ("unattributed_count", 0),
                    ("unattributed_value", 0)):
        redis.set(f"{name}:{day}", n)


REDIS_DAMAGE = [change_share, change_total, break_total, invent_version, invent_day]


@pytest.mark.parametrize("change", REDIS_DAMAGE)
def test_finds_damage_in_redis(world, served, change):
    change(world, served[1])
    print(assert_finds(world, "redis").stdout)


def test_what_is_missing_in_redis_is_no_difference(world, served):
    server, events = served
    server.stop()
    world.redis().delete(*world.redis().keys(f"*:{of_today(world, events)}"))
    assert_clean(world)
    world.redis().flushdb()
    assert_clean(world)


def test_without_redis_or_kafka(world, served):
    del served
    world.services.stop("redis")
    world.services.stop("kafka")
    done = assert_clean(world)
    assert line_of(done, "redis")[0] == "skipped"
    assert re.search(r"^skipped +kafka +it does not answer", done.stdout, re.M), done.stdout


def test_without_postgres(world, served):
    del served
    world.services.stop("postgres")
    done = world.run("reconcile", START_TIMEOUT_MS=1000)
    assert done.returncode == FAILED and "PostgreSQL" in done.stderr, done.stderr


@pytest.mark.parametrize("arguments", [["--day"], ["--day", "yesterday"], ["--day", "2026-02-02..2026-02-01"],
                                       ["--mend"], ["today"]])
def test_wrong_arguments(world, arguments):
    done = reconcile(world, *arguments)
    assert done.returncode == USAGE and "reconcile --help" in done.stderr, done.stderr


def repair(world, code=CLEAN):
    done = reconcile(world, "--repair")
    assert done.returncode == code, done.stdout + done.stderr
    return done


def assert_answers(world, server, campaigns):
    """The statistics say what the tables say, from the first day on."""
    for campaign in campaigns:
        recounted = world.recount(campaign)
        answer = model.periods_of_answer(server.statistics(campaign, **{"from": today(-300), "to": today()}))
        assert answer == {day: model.Totals(*totals) for day, totals in recounted.items()}


def live_versions(world):
    """({shard: published version}, {shard: version in PostgreSQL})."""
    redis = world.redis()
    key, = redis.keys("tyrattribution:versions:*")
    return ({int(k): int(v) for k, v in redis.hgetall(key).items()},
            dict(world.sql("SELECT partition, version FROM partition_fences")))


def assert_live_caught_up(world):
    def caught_up():
        published, versions = live_versions(world)
        return published == versions
    eventually(caught_up, 5, "the counters have reached what PostgreSQL has")


def damage_everything(world, events):
    """One row of each kind, old and new; nothing of it may be left."""
    for check, statement in TABLE_DAMAGE.items():
        if check != "fences":
            damage(world, statement)
    damage(world, "UPDATE click_buckets SET clicks = clicks + 3 WHERE ctid = (SELECT max(ctid) FROM click_buckets)")
    damage(world, "DELETE FROM day_shares WHERE ctid = (SELECT max(ctid) FROM day_shares)")
    for statement, _ in ATTRIBUTION_DAMAGE.values():
        damage(world, statement)
    nobody = model.new_uuid(events.rng)
    world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", nobody)
    for table, row in (("click_buckets", "(3, %s, 'x', '2024-02-01Z', 4)"),
                       ("day_shares", "(3, %s, current_date, 4, 4, 4, 4, 4)"),
                       ("campaign_journals", "(%s, '2024-02-03', 1, 2, 3, 4, 5)"),
                       ("campaign_quarters", "(%s, '2024-02-04', 'linear', 'nonsense')"),
                       ("campaign_statistics", "(%s, 'monthly', '2024-03-01', 1, 2, 3, 4, 5)")):
        world.sql(f"INSERT INTO {table} VALUES {row}", nobody)
    return nobody


def test_repairs_at_rest(world, served):
    """Afterwards the answers are right, and come from Redis and the cache again, without another event."""
    server, events = served
    nobody = damage_everything(world, events)
    change_total(world, events)
    everybody = events.campaigns + [nobody]
    for campaign in everybody:
        server.statistics(campaign)     # what is wrong is in the caches now
    time.sleep(0.5)
    assert line_of(reconcile(world), "day_shares")[0] == "DIFFERS"
    before = dict(world.sql("SELECT partition, epoch FROM partition_fences"))
    done = repair(world)
    print(done.stdout)
    assert dict(world.sql("SELECT partition, epoch FROM partition_fences")) == before
    assert_clean(world)
    eventually(lambda: assert_answers(world, server, everybody) is None, 1, "the answers are right")
    assert_live_caught_up(world)
    assert_answers(world, server, everybody)

    def from_redis():
        counted = server.metrics()['tyr_statistics_source_total{source="redis"}']
        assert_answers(world, server, everybody)
        return server.metrics()['tyr_statistics_source_total{source="redis"}'] >= counted + len(events.campaigns)
    eventually(from_redis, 5, "today comes from Redis")
    assert "DIFFERS" not in repair(world).stdout


def test_repairs_without_a_server(world, served):
    server, events = served
    server.stop()
    nobody = damage_everything(world, events)
    change_share(world, events)
    invent_day(world, events)
    print(repair(world).stdout)
    assert_clean(world)
    server = world.serve()
    everybody = events.campaigns + [nobody]
    assert_answers(world, server, everybody)
    assert_live_caught_up(world)
    assert_answers(world, server, everybody)
    assert_clean(world)


def test_counts_cannot_be_repaired(world, served):
    del served
    damage(world, TABLE_DAMAGE["fences"])
    damage(world, TABLE_DAMAGE["click_buckets"])
    done = repair(world, DIFFERS)
    assert "cannot be repaired" in done.stdout, done.stdout
    assert_finds(world, "fences")


def test_one_repair_at_a_time(world, served):
    del served
    db = world.db()
    db.execute("SELECT pg_advisory_lock(hashtext('tyrattribution repair'))")
    done = reconcile(world, "--repair")
    assert done.returncode == FAILED and "another repair" in done.stderr, done.stderr
    assert_clean(world)


def test_repairs_under_load(world, served):
    """What comes while it is repaired is counted once, and no answer is behind or ahead of the tables afterwards."""
    server, events = served
    with load(server, events):
        for _ in range(3):
            nobody = damage_everything(world, events)
            for change in REDIS_DAMAGE:
                with contextlib.suppress(AttributeError, ValueError):   # just then it was not there
                    change(world, events)
            done = repair(world)
            print(done.stdout)
            time.sleep(1)
        assert_clean(world)
    world.wait_processed()
    wait_journaled(world)
    assert_clean(world)
    assert_live_caught_up(world)
    assert_answers(world, server, events.campaigns + [nobody])
    stored = dict(world.sql("SELECT 'click', count(*) FROM click_events"
                            " UNION ALL SELECT 'conversion', count(*) FROM conversion_events"))
    assert stored == {kind: sum(e.kind == kind for e in events.sent) for kind in stored}
    expected = model.Model(events.sent)
    for campaign in events.campaigns:
        assert model.periods_of_answer(server.statistics(campaign, **{"from": today(-300), "to": today()})) == \
            expected.periods(campaign)


def test_no_answer_is_wrong_while_it_repairs(world, served):
    """What is damaged here is about conversions; clicks must be answered right at every moment."""
    server, events = served
    asker = Asker(server)

    def ask():
        answers = []
        for campaign in events.campaigns:
            asked, answered, answer = asker.statistics(campaign, **{"from": today(-300), "to": today()})
            answers.append((asked, answered, (campaign,), sum(row["total_clicks"] for row in answer["data"]), ""))
        return answers
    with load(server, events), \
            model.Bounds(world.db, "SELECT campaign_id::text, count(*) FROM click_events GROUP BY 1") as bounds, \
            model.Poller(ask, 100) as poller:
        for _ in range(8):
            for statement, _ in ATTRIBUTION_DAMAGE.values():
                damage(world, statement)
            damage(world, TABLE_DAMAGE["campaign_journals"])
            change_total(world, events)
            repair(world)
    violations = bounds.violations(poller.answers)
    print(f"{len(poller.answers)} answers, {len(bounds.samples)} recounts")
    assert len(poller.answers) > 100 and not violations, violations[:10]
