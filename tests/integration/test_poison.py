"""Messages that PostgreSQL refuses for good are found by bisection, and their neighbours never notice.

Somebody's trigger, a constraint of his own, a campaign that cannot be registered, a month that cannot be made:
what only some rows meet becomes a dead letter with the reason "refused", whole, and everything around it is
booked exactly once. What no row is to blame for is repeated until it passes, and kills nothing.
"""

import collections
import threading
import time

import model
from harness import SLOW, TOUCH_KINDS as KINDS, eventually, new_id, partition_of
from model import Event

VALUE_REFUSED = 66_600
CAMPAIGN_REFUSED = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"
MONTH_REFUSED = "2011-03-01"
MONTH_REFUSED_MS = 1_300_000_000_000
LONG = 'ü"' * 200          # longer than what is kept of a message, and cut inside of a character

TRIGGER = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.source = 'poison' THEN RAISE EXCEPTION 'x%', repeat('ü"', 200); END IF;
        IF NEW.source = 'poison of its own' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'TY001'; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON click_events FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'too late'; END $$;
    CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT ON click_events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.source = 'late poison') EXECUTE FUNCTION refuse_commit();
"""
CONSTRAINT = f"ALTER TABLE conversion_events ADD CONSTRAINT not_that CHECK (value_minor <> {VALUE_REFUSED})"
CAMPAIGN = f"ALTER TABLE campaigns ADD CONSTRAINT not_this CHECK (campaign_id <> '{CAMPAIGN_REFUSED}')"
MONTH = f"""
    ALTER FUNCTION ensure_event_month RENAME TO really_ensure_event_month;
    CREATE FUNCTION ensure_event_month(parent text, first_day date) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        IF first_day = '{MONTH_REFUSED}' THEN RAISE EXCEPTION 'not that month'; END IF;
        PERFORM really_ensure_event_month(parent, first_day);
    END $$;
"""


class Log:
    """Messages by partition, in the order they are sent; those that are refused apart."""

    def __init__(self, rng, events, partitions):
        self.rng, self.partitions = rng, partitions
        days = 20 * model.MS_PER_DAY
        self.workload = model.Workload(rng, events, model.now_ms() - days, model.now_ms(), users=300, campaigns=5)
        self.sent = collections.defaultdict(list)
        for event in self.workload.events:
            self.sent[self.partition(event)].append(event)
        self.refused = {}       # identity -> the beginning of the detail

    def partition(self, event):
        return partition_of(event.user, self.partitions)

    def click(self, partition, **fields):
        """A new click for a partition."""
        while True:
            event = Event("click", model.new_uuid(self.rng), self.workload.last_ms, self.rng.choice(self.workload.users),
                          self.rng.choice(self.workload.campaigns), "source-0")._replace(**fields)
            if self.partition(event) == partition:
                return event

    def poison(self, partition, way=None):
        """A message that is refused, in one of six ways."""
        way = self.rng.randrange(6) if way is None else way
        event, detail = self.click(partition), "P0001: not that month"
        if way == 0:
            event, detail = event._replace(source="poison"), "P0001: x" + LONG.replace('"', "'")[:100]
        elif way == 1:
            event, detail = event._replace(source="poison of its own"), "TY001: no"
        elif way == 2:
            event = event._replace(kind="conversion", type="purchase", value_minor=VALUE_REFUSED)
            detail = "23514: new row for relation"
        elif way == 3:
            event, detail = event._replace(campaign=CAMPAIGN_REFUSED), "23514: new row for relation 'campaigns'"
        elif way == 4:
            event, detail = event._replace(source="late poison"), "P0001: too late"
        else:
            event = event._replace(ms=MONTH_REFUSED_MS + self.rng.randrange(model.MS_PER_DAY))
        self.refused[event.identity] = detail
        return event

    def put(self, partition, place, way=None):
        self.sent[partition].insert(place, self.poison(partition, way))

    def good(self):
        return [e for events in self.sent.values() for e in events if e.identity not in self.refused]

    def produce(self, world, partitions=None):
        for p in self.sent if partitions is None else partitions:
            for event in self.sent[p]:
                world.produce(event.kind, event.message(), event.user.encode(), p)
        world.flush()


def make_poisonous(world):
    for text in (TRIGGER, CONSTRAINT, CAMPAIGN, MONTH):
        world.sql(text)


def fences(world):
    return world.sql("SELECT partition, first_offset, next_offset, high_offset, stored, duplicate, dead_lettered, "
                     "gaps, reread FROM partition_fences ORDER BY partition")


def check_fences(world, log, reread=False):
    for row in fences(world):
        p, first, following, high, stored, duplicate, dead, gaps, again = row
        for k, kind in enumerate(KINDS):
            sent = [e for e in log.sent[p] if e.kind == kind]
            bad = sum(e.identity in log.refused for e in sent)
            if not sent:
                continue
            assert (first[k], following[k], high[k]) == (0, len(sent), len(sent)), row
            assert (stored[k], duplicate[k], dead[k], gaps[k]) == (len(sent) - bad, 0, bad, 0), row
            assert again[k] == (len(sent) if reread else 0), row


def check_dead_letters(world, log):
    expected = {}
    for p, events in log.sent.items():
        offsets = collections.Counter()
        for event in events:
            if event.identity in log.refused:
                expected[world.topics[event.kind], p, offsets[event.kind]] = (
                    event.user.encode(), event.message(), "refused", log.refused[event.identity])
            offsets[event.kind] += 1
    found = {tuple(row[:3]): tuple(row[3:]) for row in world.sql(
        'SELECT topic, partition, "offset", key, payload, reason, detail FROM dead_letters')}
    assert found.keys() == expected.keys()
    for place, (key, payload, reason, detail) in expected.items():
        assert found[place][:3] == (key, payload, reason), place
        assert found[place][3].startswith(detail), (found[place][3], detail)


def check_everything(world, server, log):
    """The tables, the sums and the answers are those of the good messages, each stored once."""
    reference = model.Model(log.good())
    db = world.db()
    model.assert_attribution(db, reference)
    assert model.recount(db) == dict(reference.days)
    shares = {key: totals for key, totals in model.day_shares(db).items() if totals != model.Totals()}
    assert shares == dict(reference.days)
    check_dead_letters(world, log)
    first = str(min(day for _, day in reference.days))
    for campaign in reference.campaigns():
        answer = server.statistics(campaign, **{"from": first})
        assert model.periods_of_answer(answer) == reference.periods(campaign), campaign


def test_refused_messages_are_taken_out_of_their_batches(world):
    """Some in every position among thousands of good ones, in every way; reading all again changes nothing."""
    rng = model.seeded_random()
    world.migrate()
    make_poisonous(world)
    log = Log(rng, 6000, world.partitions())
    for p in range(world.partitions()):
        for way in range(6):
            log.put(p, rng.randrange(len(log.sent[p])), way)
        middle = len(log.sent[p]) // 2
        for place in (0, middle, middle, middle, len(log.sent[p]) + 5):
            log.put(p, place)
    log.produce(world)
    server = world.serve(WRITERS=2)
    world.wait_processed(60)
    check_fences(world, log)
    check_everything(world, server, log)
    metrics = server.metrics()
    assert metrics["tyr_refused_total"] == len(log.refused)
    tries = metrics["tyr_batch_retries_total"] + metrics["tyr_batch_seconds_count"]
    print(f"{tries:.0f} transactions for {len(log.refused)} refused among {len(log.good())}")
    assert tries <= 20 * len(log.refused)
    assert "PostgreSQL refused a message" in server.log() and "statement refused" not in server.log()

    assert server.stop() == 0
    letters = world.sql('SELECT * FROM dead_letters ORDER BY topic, partition, "offset"')
    server = world.serve(WRITERS=2)
    check_everything(world, server, log)
    assert server.stop() == 0
    world.sql("UPDATE partition_fences SET next_offset = '{0,0,0}'")
    server = world.serve(WRITERS=1, BATCH_MAX_EVENTS=500)
    world.wait_processed(60)
    check_fences(world, log, reread=True)
    check_everything(world, server, log)
    assert letters == world.sql('SELECT * FROM dead_letters ORDER BY topic, partition, "offset"')


def test_a_partition_of_poison_does_not_stall_its_neighbours(world):
    """One writer: three thousand refused messages in one partition, and good ones in the others meanwhile."""
    rng = model.seeded_random()
    world.migrate()
    make_poisonous(world)
    log = Log(rng, 0, world.partitions())
    log.workload.users = [model.new_uuid(rng) for _ in range(100)]
    log.sent[0] = [log.poison(0, way=i % 2) for i in range(3000)]
    server = world.serve(WRITERS=1)
    log.produce(world, [0])
    began = time.monotonic()
    eventually(lambda: world.sql("SELECT count(*) > 0 FROM dead_letters")[0][0])
    slowest = 0
    while world.behind():
        p = rng.randrange(1, world.partitions())
        event = log.click(p)
        log.sent[p].append(event)
        sent = time.monotonic()
        world.produce("click", event.message(), event.user.encode(), p)
        world.flush()
        eventually(lambda e=event: world.sql("SELECT 1 FROM click_events WHERE click_id = %s", e.id), 10)
        slowest = max(slowest, time.monotonic() - sent)
    took = time.monotonic() - began
    print(f"3000 refused messages in {took:.1f} s, {sum(map(len, log.sent.values())) - 3000} good ones beside them, "
          f"the slowest in {slowest * 1000:.0f} ms")
    world.wait_processed()
    assert slowest < 5 * SLOW and took < 120 * SLOW
    assert server.metrics()["tyr_batch_retries_total"] < 1.2 * 3000
    check_fences(world, log)
    check_everything(world, server, log)


def test_a_crash_amidst_poison_changes_nothing(world):
    """Killed again and again while it searches: everything is booked once all the same."""
    rng = model.seeded_random()
    world.migrate()
    make_poisonous(world)
    log = Log(rng, 3000, world.partitions())
    for p in range(world.partitions()):
        for _ in range(300):
            log.put(p, rng.randrange(len(log.sent[p])))
    log.produce(world)
    for _ in range(2):
        server = world.serve(WRITERS=2)
        before = world.sql("SELECT count(*) FROM dead_letters")[0][0]
        eventually(lambda n=before: world.sql("SELECT count(*) FROM dead_letters")[0][0] > n or not world.behind(), 30)
        server.kill()
    server = world.serve(WRITERS=2)
    world.wait_processed(60)
    check_fences(world, log)
    check_everything(world, server, log)


def test_a_deadlock_is_nobodys_fault(world):
    """Serialization failures and deadlocks repeat the batch whole."""
    rng = model.seeded_random()
    world.migrate()
    world.sql("""
        CREATE SEQUENCE tries;
        CREATE FUNCTION fail_first() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE n bigint := nextval('tries');
        BEGIN
            IF n <= 3 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF;
            IF n <= 6 THEN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER fail_first AFTER INSERT ON click_events FOR EACH STATEMENT EXECUTE FUNCTION fail_first()
    """)
    log = Log(rng, 2000, world.partitions())
    log.produce(world)
    server = world.serve(WRITERS=1)
    world.wait_processed()
    assert server.metrics()["tyr_batch_retries_total"] == 6
    check_fences(world, log)
    check_everything(world, server, log)


def test_what_no_message_is_to_blame_for_kills_none(world):
    """A table taken away, a fence that cannot advance, no room for dead letters: nothing is dead-lettered."""
    rng = model.seeded_random()
    world.migrate()
    log = Log(rng, 1000, world.partitions())
    log.produce(world)
    breaks = [
        # both: a batch may hold conversions alone
        ("ALTER TABLE click_buckets RENAME TO elsewhere; ALTER TABLE conversion_buckets RENAME TO there",
         "ALTER TABLE elsewhere RENAME TO click_buckets; ALTER TABLE there RENAME TO conversion_buckets", 5),
        ("ALTER TABLE partition_fences ADD CONSTRAINT never CHECK (version = 0)",
         "ALTER TABLE partition_fences DROP CONSTRAINT never", 40),
        ("CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;"
         "CREATE TRIGGER never BEFORE INSERT OR UPDATE ON dead_letters EXECUTE FUNCTION never();"
         "CREATE TRIGGER never BEFORE UPDATE OF version ON partition_fences EXECUTE FUNCTION never()",
         "DROP FUNCTION never CASCADE", 40),
        ("CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;"
         "CREATE TRIGGER never BEFORE UPDATE OF backend_pid ON partition_fences FOR EACH ROW"
         " WHEN (NEW.backend_pid IS NOT NULL) EXECUTE FUNCTION never()",
         "DROP FUNCTION never CASCADE", 3),
    ]
    for broken, mended, tries in breaks:
        world.sql(broken)
        server = world.serve(WRITERS=1, SHUTDOWN_TIMEOUT_MS=2000)
        eventually(lambda s=server, n=tries: s.metrics()["tyr_batch_retries_total"] > n, 30)
        assert not any(any(row[4] + row[6]) for row in fences(world))
        assert server.stop() == 0
        world.sql(mended)
    server = world.serve(WRITERS=1)
    world.wait_processed()
    check_fences(world, log)
    check_everything(world, server, log)


def test_a_month_or_campaign_that_was_taken_away_comes_back(world):
    """An operator drops an old month; a late event of it is stored all the same, not refused."""
    server = world.serve(WRITERS=1)
    campaign, old = new_id(), "2012-05-05T12:00:00.000Z"
    world.sql("ALTER TABLE click_events ADD FOREIGN KEY (campaign_id) REFERENCES campaigns")
    server.click(campaign_id=campaign, click_date=old)
    world.wait_processed()
    world.sql("DROP TABLE click_events_2012_05")
    server.click(campaign_id=campaign, click_date=old)
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM click_events") == [(1,)]
    world.sql("TRUNCATE click_events, campaigns")
    server.click(campaign_id=campaign, click_date=old)
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM click_events") == [(1,)]
    assert world.sql("SELECT count(*) FROM dead_letters") == [(0,)]
