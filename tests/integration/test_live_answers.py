"""Redis is a cache: whatever happens to it, no answer is wrong, and the counters come back by themselves.

Only clicks are sent here, so a campaign's count only grows, and every answer can be held against what a plain
recount said a second before the question and what it said after the answer.
"""

import contextlib
import os
import time

import pytest
import redis as redis_client

import model
from harness import SLOW, eventually
from model import Asker, Bounds, Event, Poller

CAMPAIGNS = 3
LOAD_PER_S = 300 if model.sanitized() else 800
BATCHES_PER_S = 20
ANSWERS_PER_S = 50              # asked for more, at least this many must have come
BACK_S = 5                      # how soon the counters must be back
CLICKS = "SELECT campaign_id::text, count(*) FROM click_events GROUP BY campaign_id"
KINDS = ("click_count", "conversion_count", "conversion_value", "unattributed_count", "unattributed_value",
         "live_shares")


class Clicks:
    """Clicks of now, for some campaigns in turn."""

    def __init__(self, rng):
        self.rng = rng
        self.campaigns = [model.new_uuid(rng) for _ in range(CAMPAIGNS)]
        self.sent = 0

    def make(self, n):
        self.sent += n
        return [Event("click", model.new_uuid(self.rng), model.now_ms(), model.new_uuid(self.rng),
                      self.campaigns[i % CAMPAIGNS], "newsletter") for i in range(n)]


# --- Redis ---------------------------------------------------------------------------------------

def raw_redis(world):
    """Without decoding, for DUMP and RESTORE."""
    host, port = world.env["REDIS_URL"].rsplit(":", 1)
    return redis_client.Redis(host=host, port=int(port), db=int(world.env["REDIS_DB"]), socket_timeout=10)


def keys_of(redis, kind, campaign):
    """There is one, or two around midnight."""
    return redis.keys(f"{kind}:{campaign}:*")


def versions_key(redis):
    found = redis.keys("tyrattribution:versions:*")
    assert len(found) == 1, found
    return found[0]


def click_counts(redis, campaigns):
    """Plain integers that a person can GET; a key that is missing is an error."""
    counts = {}
    for campaign in campaigns:
        keys = keys_of(redis, "click_count", campaign)
        assert keys, f"no click_count of {campaign}"
        counts[campaign,] = sum(int(redis.get(key)) for key in keys)
        for kind in KINDS:
            assert keys_of(redis, kind, campaign), f"no {kind} of {campaign}"
    return counts


def counted(db):
    return {(campaign,): n for campaign, n in db.execute(CLICKS)}


def wait_counters(world, db, campaigns, what):
    """All keys are back within BACK_S, and say at least what the tables said when the waiting began."""
    began = time.monotonic()
    least = counted(db)

    def back():
        redis = world.redis()
        versions_key(redis)
        counts = click_counts(redis, campaigns)
        assert all(counts[key] >= n for key, n in least.items()), (counts, least)
        return True
    eventually(back, BACK_S, f"the counters are back after {what}")
    print(f"{what}: the counters were back after {time.monotonic() - began:.2f} s")


def wait_exact(world, db, campaigns, what):
    """At rest: the keys say what the tables say, to the one."""
    eventually(lambda: click_counts(world.redis(), campaigns) == counted(db), BACK_S,
               f"the counters are exact after {what}")


def snapshot(redis):
    return {key: (redis.dump(key), max(redis.pttl(key), 0)) for key in redis.keys("*")}


def restore(redis, taken):
    """The whole database becomes what it was, in one step as after a restart."""
    pipe = redis.pipeline(transaction=True)
    pipe.flushdb()
    for key, (content, ttl) in taken.items():
        pipe.restore(key, ttl, content)
    pipe.execute()


@contextlib.contextmanager
def saved_to_disk(redis):
    """The next start of Redis finds what is there now."""
    redis.save()
    path = os.path.join(redis.config_get("dir")["dir"], "dump.rdb")
    assert os.path.exists(path)
    try:
        yield
    finally:
        os.unlink(path)


# --- asking --------------------------------------------------------------------------------------

def total_clicks(answer):
    return sum(row["total_clicks"] for row in answer["data"])


class Questions:
    """Asks for the campaigns in turn; noting what was happening meanwhile."""

    def __init__(self, server, campaigns):
        self.asker, self.campaigns = Asker(server), campaigns
        self.n = 0
        self.note = ""

    def __call__(self):
        self.n += 1
        campaign, note = self.campaigns[self.n % len(self.campaigns)], self.note
        asked, answered, answer = self.asker.statistics(campaign)
        return [(asked, answered, (campaign,), total_clicks(answer), note)]


def check_answers(bounds, poller, metrics_before, metrics_after):
    violations = bounds.violations(poller.answers)
    assert not violations, f"{len(violations)} of {len(poller.answers)} answers are wrong, first:\n" + \
        "\n".join(violations[:10])
    sources = {}
    for source in ("redis", "postgres"):
        name = f'tyr_statistics_source_total{{source="{source}"}}'
        sources[source] = metrics_after[name] - metrics_before[name]
    print(f"{len(poller.answers)} answers, {poller.rate:.0f}/s, sources {sources}, {len(bounds.samples)} recounts")
    return sources


def assert_fast_enough(poller):
    assert poller.rate >= ANSWERS_PER_S / SLOW, f"only {poller.rate:.1f} answers a second: this proves too little"


# --- under load ----------------------------------------------------------------------------------

def flush_often(world, services, db, campaigns, questions):
    for i in range(4):
        questions.note = f"flush {i}"
        if services.is_ours:
            world.redis().flushall()
        else:
            world.redis().flushdb()
        wait_counters(world, db, campaigns, questions.note)
        time.sleep(0.8)


def delete_single_keys(world, services, db, campaigns, questions):
    redis = world.redis()
    for kind in KINDS:
        questions.note = f"DEL {kind}"
        for campaign in campaigns:
            redis.delete(*keys_of(redis, kind, campaign))
            time.sleep(0.15)
        wait_counters(world, db, campaigns, questions.note)
    questions.note = "DEL versions"
    redis.delete(versions_key(redis))
    wait_counters(world, db, campaigns, questions.note)


def restore_old_snapshots(world, services, db, campaigns, questions):
    redis = raw_redis(world)
    taken = snapshot(redis)
    for i in range(2):
        time.sleep(1.5)
        questions.note = f"old snapshot {i}"
        restore(redis, taken)
        wait_counters(world, db, campaigns, questions.note)


def restart_with_old_file(world, services, db, campaigns, questions):
    with saved_to_disk(world.redis()):
        time.sleep(1)
        questions.note = "Redis killed"
        services.kill("redis")
        time.sleep(1)
        questions.note = "Redis started with an old dump.rdb"
        services.start("redis")
        wait_counters(world, db, campaigns, questions.note)


@pytest.mark.parametrize("faults", [
    (flush_often, delete_single_keys),
    (restore_old_snapshots, restart_with_old_file),
], ids=["flushes-and-deletions", "old-snapshots"])
def test_no_answer_is_wrong_under_load(world, services, faults):
    clicks = Clicks(model.seeded_random())
    server = world.serve()
    db = world.db()
    Asker(server).send(clicks.make(CAMPAIGNS))
    world.wait_processed()
    wait_exact(world, db, clicks.campaigns, "the start")
    before = server.metrics()
    questions = Questions(server, clicks.campaigns)
    sender = Asker(server)

    def send():
        sender.send(clicks.make(LOAD_PER_S // BATCHES_PER_S))
        return []
    with Bounds(world.db, CLICKS) as bounds, Poller(questions, 3 * ANSWERS_PER_S) as poller, \
            Poller(send, BATCHES_PER_S) as load:
        time.sleep(2)
        for fault in faults:
            fault(world, services, db, clicks.campaigns, questions)
            questions.note = "quiet"
            time.sleep(1)
    print(f"{clicks.sent} clicks, {clicks.sent / (load.ended - load.began):.0f}/s")

    world.wait_processed()
    sources = check_answers(bounds, poller, before, server.metrics())
    assert sources["redis"] > 0 and sources["postgres"] > 0, f"not both sources were used: {sources}"
    assert_fast_enough(poller)
    wait_exact(world, db, clicks.campaigns, "the load")
    assert sum(counted(db).values()) == clicks.sent


# --- at rest -------------------------------------------------------------------------------------

def test_counters_come_back_at_rest_without_a_reader(world, services):
    clicks = Clicks(model.seeded_random())
    server = world.serve()
    db = world.db()
    Asker(server).send(clicks.make(300))
    world.wait_processed()
    wait_exact(world, db, clicks.campaigns, "the start")

    redis = world.redis()
    for kind in KINDS:
        redis.delete(*keys_of(redis, kind, clicks.campaigns[0]))
        wait_exact(world, db, clicks.campaigns, f"DEL {kind}")
    redis.delete(versions_key(redis))
    eventually(lambda: versions_key(redis), BACK_S, "the versions are back")
    redis.flushdb()
    wait_exact(world, db, clicks.campaigns, "FLUSHDB")
    services.stop("redis")
    services.start("redis")
    wait_exact(world, db, clicks.campaigns, "a restart of Redis")
    # Then Redis answers again, exactly.
    before = server.metrics()['tyr_statistics_source_total{source="redis"}']
    eventually(lambda: total_clicks(server.statistics(clicks.campaigns[0])) == 100 and
               server.metrics()['tyr_statistics_source_total{source="redis"}'] > before, BACK_S)


def test_an_old_snapshot_at_rest_is_never_believed(world, services):
    clicks = Clicks(model.seeded_random())
    server = world.serve()
    db = world.db()
    sender = Asker(server)
    sender.send(clicks.make(300))
    world.wait_processed()
    wait_exact(world, db, clicks.campaigns, "the start")
    before = server.metrics()
    questions = Questions(server, clicks.campaigns)

    with Bounds(world.db, CLICKS) as bounds, Poller(questions, 3 * ANSWERS_PER_S) as poller:
        for step in range(3):
            questions.note = f"snapshot {step} restored"
            taken = snapshot(raw_redis(world))
            sender.send(clicks.make(3 * (step + 1)))
            world.wait_processed()
            wait_exact(world, db, clicks.campaigns, "a few more")
            time.sleep(1.2 * (step % 2))        # at rest for longer than a second, or not
            restore(raw_redis(world), taken)
            wait_exact(world, db, clicks.campaigns, questions.note)
        with saved_to_disk(world.redis()):
            sender.send(clicks.make(30))
            world.wait_processed()
            time.sleep(1.2)
            questions.note = "started with an old dump.rdb"
            services.kill("redis")
            services.start("redis")
            wait_exact(world, db, clicks.campaigns, questions.note)
        time.sleep(0.5)
    check_answers(bounds, poller, before, server.metrics())
    assert_fast_enough(poller)
