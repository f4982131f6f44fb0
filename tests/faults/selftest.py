"""
Has the rig teeth? Each check is given damage made by hand, and must find it.

One quiet schedule is played, and must be clean. Then the damages are done one after the other to its tables, its
Redis and its ledger, each undone before the next; the check that is there for it must complain.
"""

import contextlib
import os
import random
import tempfile
import time

import checks
from faults_topic import Junk
from fresh import Fresh
from ledger import Ledger
from load import Crowd, Load, new_uuid
from plan import Plan
from stage import Stage, harness

LOAD_S = 4


@contextlib.contextmanager
def by_sql(stage, statement):
    """Harm a table inside a transaction that only the checks' connection sees, and roll it back."""
    stage.world.sql("BEGIN")
    try:
        stage.world.sql(statement)
        yield
    finally:
        stage.world.sql("ROLLBACK")


@contextlib.contextmanager
def worth_another_cent(stage):
    """A conversion's value is one too high, for every process to see."""
    place, value = stage.world.sql("SELECT (conversion_id, conversion_date)::text, value_minor FROM conversion_events LIMIT 1")[0]
    change = "UPDATE conversion_events SET value_minor = %s WHERE (conversion_id, conversion_date)::text = %s"
    stage.world.sql(change, value + 1, place)
    yield
    stage.world.sql(change, value, place)


@contextlib.contextmanager
def one_more_in_redis(stage, name):
    """A counter of a live day is one too high."""
    redis = stage.world.redis()
    key = sorted(redis.keys(f"{name}:*"))[0]
    redis.incr(key)
    yield
    redis.decr(key)


@contextlib.contextmanager
def not_in_redis(stage):
    """Today is missing for a campaign."""
    redis = stage.world.redis()
    key = sorted(redis.keys(f"click_count:*:{harness.today()}"))[0]
    ttl, value = redis.expiretime(key), redis.get(key)
    redis.delete(key)
    yield
    redis.set(key, value, exat=ttl)


@contextlib.contextmanager
def acknowledged_only(stage):
    """An event was acknowledged and reached nothing."""
    entries = stage.ledger._entries     # pylint: disable=protected-access
    event = next(iter(entries.values())).event._replace(id=new_uuid(random.Random(1)))
    stage.ledger.sending([event])
    stage.ledger.acknowledge(event)
    yield
    del entries[event.identity]


@contextlib.contextmanager
def junk_without_letter(stage):
    """A message nobody can read was put into a topic and is no dead letter."""
    stage.junk.append(Junk(stage.world.topics["click"], 0, 1 << 40, b"key", b"payload"))
    yield
    stage.junk.pop()


@contextlib.contextmanager
def junk_in_topic(stage):
    """A message that the fences and the end of the topic must account for, while nobody processes."""
    for slot in stage.slots:
        slot.freeze()
    stage.world.produce("click", b"nobody can read this", key=b"key", partition=0)
    stage.world.flush()
    yield
    for slot in stage.slots:
        slot.thaw()


@contextlib.contextmanager
def frozen(stage):
    """An instance does not answer."""
    stage.slots[0].freeze()
    yield
    stage.slots[0].thaw()


@contextlib.contextmanager
def reported(stage):
    """An instance logged a bug."""
    path = stage.slots[0].server.log_path
    size = path.stat().st_size
    with open(path, "a", encoding="utf-8") as log:
        log.write("tyrattribution: bug: false does not hold at nowhere.c:1\n")
    yield
    os.truncate(path, size)


@contextlib.contextmanager
def refused(stage):
    """A client got an answer that no event should get."""
    stage.ledger.complain("click 1: 500")
    yield
    stage.ledger.unexpected.clear()


@contextlib.contextmanager
def without_postgres(stage):
    """Nothing is processed."""
    stage.proxies["postgres"].hold()
    yield
    stage.proxies["postgres"].heal()


def check_fresh(stage):
    """checks.check_fresh with fresh events."""
    return checks.check_fresh(stage, Fresh(stage, random.SystemRandom()))


ANY_CLICK = "(click_id, click_date) = (SELECT click_id, click_date FROM click_events LIMIT 1)"
ANY_CONVERSION = ("(conversion_id, conversion_date) ="
                  " (SELECT conversion_id, conversion_date FROM conversion_events WHERE click_id IS NOT NULL LIMIT 1)")
FIRST = "ctid = (SELECT min(ctid) FROM {} WHERE clicks > 0)"

# The check, what it must find, a harm, and what more the harm needs to know.
DAMAGES = (
    (checks.check_ledger, "lost", by_sql, f"DELETE FROM click_events WHERE {ANY_CLICK}"),
    (checks.check_ledger, "lost", by_sql, f"DELETE FROM conversion_events WHERE {ANY_CONVERSION}"),
    (checks.check_ledger, "lost", acknowledged_only),
    (checks.check_ledger, "doubled", by_sql,
     "INSERT INTO click_events SELECT click_id, click_date + interval '1 ms', user_id, campaign_id, source, shard"
     " FROM click_events LIMIT 1"),
    (checks.check_ledger, "wrong", by_sql,
     "INSERT INTO click_events SELECT gen_random_uuid(), click_date, user_id, campaign_id, source, shard"
     " FROM click_events LIMIT 1"),
    (checks.check_ledger, "wrong", by_sql, f"UPDATE click_events SET source = 'other' WHERE {ANY_CLICK}"),
    (checks.check_ledger, "wrong", by_sql, f"UPDATE click_events SET user_id = gen_random_uuid() WHERE {ANY_CLICK}"),
    (checks.check_ledger, "wrong", by_sql,
     f"UPDATE conversion_events SET value_minor = value_minor + 1 WHERE {ANY_CONVERSION}"),
    (checks.check_attribution, "wrong", by_sql,
     f"UPDATE conversion_events SET click_id = NULL, click_date = NULL WHERE {ANY_CONVERSION}"),
    (checks.check_attribution, "wrong", by_sql,
     f"UPDATE conversion_events SET click_id = gen_random_uuid() WHERE {ANY_CONVERSION}"),
    (checks.check_ledger, "lost", by_sql,
     "DELETE FROM adjustment_events WHERE ctid = (SELECT min(ctid) FROM adjustment_events)"),
    (checks.check_adjustments, "wrong", by_sql,
     f"UPDATE conversion_events SET adjusted_minor = coalesce(adjusted_minor, value_minor) + 1 WHERE {ANY_CONVERSION}"),
    (checks.check_adjustments, "wrong", by_sql,
     f"UPDATE conversion_events SET is_cancelled = NOT is_cancelled WHERE {ANY_CONVERSION}"),
    (checks.check_credits, "wrong", by_sql,
     "UPDATE conversion_events SET credits[1] = credits[1] - 1 WHERE ctid = (SELECT min(ctid) FROM conversion_events"
     " WHERE click_id IS NOT NULL AND cardinality(touch_ids) = 1)"),
    (checks.check_credits, "wrong", by_sql,
     "UPDATE conversion_buckets SET value_minor = value_minor + 1 WHERE ctid = (SELECT min(ctid)"
     " FROM conversion_buckets WHERE model = 'linear' AND credit > 0)"),
    (checks.check_buckets, "doubled", by_sql,
     f"UPDATE click_buckets SET clicks = clicks + 1 WHERE {FIRST.format('click_buckets')}"),
    (checks.check_buckets, "wrong", by_sql,
     "UPDATE conversion_buckets SET value_minor = value_minor + 1"
     " WHERE ctid = (SELECT min(ctid) FROM conversion_buckets WHERE model = 'last_click')"),
    (checks.check_buckets, "wrong", by_sql,
     f"UPDATE day_shares SET clicks = clicks - 1 WHERE {FIRST.format('day_shares')}"),
    (checks.check_journals, "doubled", by_sql,
     f"UPDATE campaign_journals SET clicks = clicks + 1 WHERE {FIRST.format('campaign_journals')}"),
    (checks.check_journals, "wrong", by_sql,
     f"DELETE FROM campaign_statistics WHERE {FIRST.format('campaign_statistics')}"),
    (checks.check_redis, "doubled", one_more_in_redis, "click_count"),
    (checks.check_redis, "wrong", one_more_in_redis, "conversion_value"),
    (checks.check_redis, "wrong", not_in_redis),
    (checks.check_answers, "doubled", by_sql, f"DELETE FROM click_events WHERE {ANY_CLICK}"),
    (checks.check_messages, "wrong", by_sql,
     "UPDATE partition_fences SET stored[1] = stored[1] - 1 WHERE partition = 0"),
    (checks.check_messages, "wrong", by_sql,
     "UPDATE partition_fences SET gaps[2] = gaps[2] + 1, stored[2] = stored[2] - 1 WHERE partition = 1"),
    (checks.check_messages, "wrong", by_sql, f"DELETE FROM click_events WHERE {ANY_CLICK}"),
    (checks.check_dead_letters, "wrong", by_sql,
     "INSERT INTO dead_letters VALUES ('x', 0, 0, 'key', 'payload', 'malformed', '')"),
    (checks.check_dead_letters, "wrong", junk_without_letter),
    (checks.check_rebuilt, "wrong", worth_another_cent),
    (checks.check_unexpected, "wrong", refused),
    (checks.check_processes, "wrong", frozen),
    (checks.check_processes, "wrong", reported),
    (check_fresh, "wrong", without_postgres),
    (checks.check_messages, "wrong", junk_in_topic),
)


def _is_noticed(stage, check, what, harm, *details):
    """Do the harm; does the check find it, and nothing before?"""
    name = f"{check.__name__}: " + (details[0] if details else harm.__doc__)[:90]
    before = checks.following(check, stage)
    with harm(stage, *details):
        found = check(stage)
    if before:
        print(f"BAD    {name}: found without harm: {before[0].text}")
    elif what not in {finding.what for finding in found}:
        print(f"BAD    {name}: not found")
    else:
        print(f"found  {name}", flush=True)
        return True
    return False


def _prepare(stage, rng):
    """Some load, until it has been processed and all checks are content."""
    load = Load("self-test", Crowd(rng), stage.ledger, stage.addresses)
    time.sleep(LOAD_S)
    load.stop(10)
    found = checks.all_checks(stage, Fresh(stage, rng))
    for finding in found:
        print(f"BAD    without any harm: {finding.text}")
    return not found


def run(services, seed):
    """Do all damages; the exit status."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="tyr-faults-") as work, services.harness.redis_number() as redis_db:
        stage = Stage(services, work, redis_db, Ledger(), Plan(0, seed, 2, []))
        try:
            stage.open()
            noticed = [_prepare(stage, rng)] + [_is_noticed(stage, *damage) for damage in DAMAGES]
        finally:
            services.heal()
            stage.close()
    print(f"{sum(noticed)} of {len(noticed)} as they should be")
    return 0 if all(noticed) else 1
