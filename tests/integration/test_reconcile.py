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
          "day_shares", "campaign_journals", "campaign_statistics", "redis")


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
    """Change exactly one row by hand."""
    rows = world.sql(statement + " RETURNING 1", *params)
    assert len(rows) == 1, (statement, rows)


TABLE_DAMAGE = {
    "click_buckets": "UPDATE click_buckets SET clicks = clicks + 1 WHERE ctid = (SELECT min(ctid) FROM click_buckets)",
    "conversion_buckets": "DELETE FROM conversion_buckets WHERE ctid = (SELECT min(ctid) FROM conversion_buckets)",
    "day_shares": "UPDATE day_shares SET value_minor = value_minor + 7 WHERE ctid = ("
                  "SELECT min(ctid) FROM day_shares WHERE day < current_date - 3)",
    "campaign_journals": "UPDATE campaign_journals SET conversions = conversions - 1 WHERE ctid = ("
                         "SELECT min(ctid) FROM campaign_journals)",
    "campaign_statistics": "DELETE FROM campaign_statistics WHERE ctid = ("
                           "SELECT min(ctid) FROM campaign_statistics)",
    "fences": "UPDATE partition_fences SET stored[1] = stored[1] - 1 WHERE partition = 1",
}


def test_a_clean_world(world, served):
    del served
    done = assert_clean(world)
    assert re.search(r"^ok +kafka +0 clicks and 0 conversions pending$", done.stdout, re.M), done.stdout
    assert_clean(world, "--day", today(-2))
    assert_clean(world, "--day", f"{today(-60)}..{today(-1)}")


@pytest.mark.parametrize("check", TABLE_DAMAGE)
def test_finds_damage_in(world, served, check):
    del served
    damage(world, TABLE_DAMAGE[check])
    print(assert_finds(world, check).stdout)


SUMS = ("conversion_buckets", "day_shares", "campaign_journals", "campaign_statistics")
OLD_CONVERSION = ("WHERE (conversion_id, conversion_date) = (SELECT conversion_id, conversion_date"
                  " FROM conversion_events WHERE conversion_date < now() - interval '30 days' AND {} LIMIT 1)")
ATTRIBUTION_DAMAGE = {
    "lost": ("UPDATE conversion_events SET click_id = NULL, click_date = NULL "
             + OLD_CONVERSION.format("click_id IS NOT NULL"), SUMS),
    "given": ("UPDATE conversion_events SET click_id = gen_random_uuid(), click_date = conversion_date "
              + OLD_CONVERSION.format("click_id IS NULL"), SUMS),
    "another": ("UPDATE conversion_events SET click_id = gen_random_uuid() "
                + OLD_CONVERSION.format("click_id IS NOT NULL"), ()),
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
    redis, known, deployment = world.redis(), of_today(world, events), None
    deployment = redis.hget(f"live_shares:{known}", "deployment")
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
