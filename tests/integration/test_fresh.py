"""Full batches of clicks are stored by COPY, which knows no way round a duplicate: what stands in its way must be
booked as the careful statement books it, and the counts must come out the same."""

import collections

import model
from harness import partition_of

BATCH = 1000
ONE_BATCH = {"BATCH_MAX_EVENTS": BATCH, "BATCH_LINGER_MS": 2000, "WRITERS": 1}
LEAVE_OUT = """
    CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RETURN CASE WHEN NEW.source <> 'left out' THEN NEW END;
    END $$;
    CREATE TRIGGER leave_out BEFORE INSERT ON click_events FOR EACH ROW EXECUTE FUNCTION leave_out();
"""


class Clicks:
    """Clicks of one partition, in the order they are sent."""

    def __init__(self, world, days=1):
        self.rng, self.world = model.seeded_random(), world
        last = model.now_ms()
        self.workload = model.Workload(self.rng, 1, last - days * model.MS_PER_DAY, last)
        self.users = [u for u in (model.new_uuid(self.rng) for _ in range(400))
                      if partition_of(u, world.partitions()) == 0]

    def make(self, n):
        w = self.workload
        return [model.Event("click", model.new_uuid(self.rng), self.rng.randrange(w.first_ms, w.last_ms),
                            self.rng.choice(self.users), self.rng.choice(w.campaigns), self.rng.choice(w.sources))
                for _ in range(n)]

    def send(self, events):
        for event in events:
            self.world.produce(event.kind, event.message(), event.user.encode(), 0)
        self.world.wait_processed()


def counts(world):
    """What became of the clicks of partition 0: stored, duplicate, dead-lettered."""
    return tuple(world.sql("SELECT stored[1], duplicate[1], dead_lettered[1] FROM partition_fences "
                           "WHERE partition = 0")[0])


def check_sums(world, clicks):
    """Events and buckets hold these clicks, each once."""
    stored = world.sql("SELECT click_id::text, (extract(epoch FROM click_date) * 1000)::bigint, user_id::text, "
                       "campaign_id::text, source, shard FROM click_events")
    assert sorted(stored) == sorted((e.id, e.ms, e.user, e.campaign, e.source, 0) for e in clicks)
    expected = collections.Counter((e.campaign, e.source, e.ms // 900_000) for e in clicks)
    buckets = world.sql("SELECT campaign_id::text, source, (extract(epoch FROM bucket) / 900)::bigint, clicks "
                        "FROM click_buckets WHERE shard = 0")
    assert {row[:3]: row[3] for row in buckets} == expected
    days = collections.Counter((e.campaign, e.ms // model.MS_PER_DAY) for e in clicks)
    shares = world.sql("SELECT campaign_id::text, day - date '1970-01-01', clicks FROM day_shares")
    assert {row[:2]: row[2] for row in shares} == days


def test_a_full_batch_is_stored_once(world):
    """Also when the same clicks come again, alone and among new ones."""
    clicks = Clicks(world, days=40)
    world.serve(**ONE_BATCH)
    first, second, third = (clicks.make(BATCH) for _ in range(3))
    clicks.send(first)
    assert counts(world) == (BATCH, 0, 0)
    check_sums(world, first)
    clicks.send(first)
    assert counts(world) == (BATCH, BATCH, 0)
    mixed = second[:-3] + first[:3]
    clicks.rng.shuffle(mixed)
    clicks.send(mixed)
    assert counts(world) == (2 * BATCH - 3, BATCH + 3, 0)
    clicks.send(third + third[:10])
    assert counts(world) == (3 * BATCH - 3, BATCH + 13, 0)
    check_sums(world, first + second[:-3] + third)
    assert world.run("reconcile").returncode == 0


def test_a_conflict_in_a_full_batch(world):
    """It becomes a dead letter, alone; batches behind it are stored as ever."""
    clicks = Clicks(world)
    world.serve(**ONE_BATCH)
    first, second = clicks.make(BATCH), clicks.make(BATCH)
    clicks.send(first)
    clicks.send(second[:-1] + [first[7]._replace(source="another")])
    assert counts(world) == (2 * BATCH - 1, 0, 1)
    assert world.sql("SELECT reason, event_id::text FROM dead_letters") == [("conflict", first[7].id)]
    more = clicks.make(3 * BATCH)
    clicks.send(more)
    assert counts(world) == (5 * BATCH - 1, 0, 1)
    check_sums(world, first + second[:-1] + more)


def test_a_trigger_that_leaves_rows_out(world):
    """What it left out is in no sum."""
    clicks = Clicks(world)
    world.migrate()
    world.sql(LEAVE_OUT)
    world.serve(**ONE_BATCH)
    sent = clicks.make(BATCH)
    left_out = sent[3]._replace(source="left out")
    clicks.send(sent[:3] + [left_out] + sent[4:])
    assert counts(world)[0] == BATCH - 1
    check_sums(world, sent[:3] + sent[4:])


def test_row_level_security(world):
    """COPY does not know it; the clicks are stored all the same."""
    clicks = Clicks(world)
    world.migrate()
    world.sql("ALTER TABLE click_events ENABLE ROW LEVEL SECURITY")
    world.sql("ALTER TABLE click_events FORCE ROW LEVEL SECURITY")
    world.sql("CREATE POLICY everything ON click_events USING (true) WITH CHECK (true)")
    world.serve(**ONE_BATCH)
    sent = clicks.make(2 * BATCH)
    clicks.send(sent)
    assert counts(world) == (2 * BATCH, 0, 0)
    check_sums(world, sent)


def test_clicks_behind_the_latest_conversion_are_not_looked_for(world):
    """Those up to it are: at its very time, before it, and before an earlier one."""
    clicks = Clicks(world)
    world.serve(**ONE_BATCH)
    user, at = clicks.users[0], model.now_ms() - 10 * 3_600_000
    click = clicks.make(1)[0]._replace(user=user)
    early, late = (model.Event("conversion", model.new_uuid(clicks.rng), at + i * 3_600_000, user, click.campaign,
                               click.source, "purchase", 500) for i in range(2))
    clicks.send([early, late])

    def paths():
        rows = world.sql("SELECT touch_ids::text[] FROM conversion_events ORDER BY conversion_date")
        return [row[0] for row in rows]
    behind = click._replace(id=model.new_uuid(clicks.rng), ms=late.ms + 1)
    clicks.send(clicks.make(BATCH - 1) + [behind])
    before = paths()
    assert behind.id not in before[0] + before[1]
    at_it, first = (click._replace(id=model.new_uuid(clicks.rng), ms=ms) for ms in (late.ms, early.ms - 1))
    clicks.send([at_it] + clicks.make(BATCH - 2) + [first])
    after = paths()
    assert first.id in after[0] and first.id in after[1]
    assert at_it.id not in after[0] and at_it.id == after[1][-1]
    assert world.run("reconcile").returncode == 0
