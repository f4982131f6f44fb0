"""Order does not matter: the final rows are a function of the set of accepted events.

The same events in many orders, cut into batches in many ways, booked by one writer or several, sent before the
start or while the program runs: each time the same rows come out, but for the columns that
compare_exclusions.sql lists. They are also the rows that the model says.
"""

import concurrent.futures
import contextlib
import itertools
import random
import time

from confluent_kafka import Producer

import model
from harness import World, eventually, partition_of

ORDERS, EVENTS = (3, 3_000) if model.sanitized() else (10, 12_000)
PARTITIONS = 4

# How the log is cut into batches; the first ones are the extremes.
BATCHINGS = (
    {"BATCH_MAX_EVENTS": 5000, "BATCH_LINGER_MS": 200, "WRITERS": 1},
    {"BATCH_MAX_EVENTS": 1, "BATCH_LINGER_MS": 0, "WRITERS": 4},
    {"BATCH_MAX_EVENTS": 300, "BATCH_LINGER_MS": 0, "WRITERS": 2},
    {"BATCH_MAX_EVENTS": 50000, "BATCH_LINGER_MS": 50, "WRITERS": 3},
    {"BATCH_MAX_EVENTS": 700, "BATCH_LINGER_MS": 5, "WRITERS": 2},
)


@contextlib.contextmanager
def fresh_world(services, directory):
    directory.mkdir()
    with services.redis_number() as number:
        world = World(services, directory, number)
        try:
            yield world
        finally:
            world.close()


# --- orders --------------------------------------------------------------------------------------

def as_made(_rng, events):
    return list(events)


def shuffled(rng, events):
    events = list(events)
    rng.shuffle(events)
    return events


def by_time(_rng, events):
    return sorted(events, key=lambda e: e.ms)


def by_time_backwards(_rng, events):
    return by_time(None, events)[::-1]


def clicks_first(rng, events):
    return sorted(shuffled(rng, events), key=lambda e: e.kind)


def conversions_first(rng, events):
    return clicks_first(rng, events)[::-1]


def by_user(rng, events):
    return sorted(shuffled(rng, events), key=lambda e: e.user)


def late_stragglers(rng, events):
    """In time order, but a tenth comes at the very end."""
    late = [rng.random() < 0.1 for _ in events]
    ordered = sorted(zip(late, events), key=lambda pair: (pair[0], pair[1].ms))
    return [event for _, event in ordered]


ORDERINGS = (conversions_first, by_time_backwards, late_stragglers, clicks_first, by_time, by_user, as_made)


# --- sending -------------------------------------------------------------------------------------

def send(world, events, rng, in_spurts):
    """Into Kafka, in this order: at once, or a few at a time, so that batches end in other places."""
    producer = Producer(world.services.kafka_conf(**{"enable.idempotence": True, "linger.ms": 2,
                                                     "queue.buffering.max.messages": 500_000}))
    failed = []
    spurt = 0
    for event in events:
        if in_spurts and spurt == 0:
            spurt = rng.choice((1, 10, 100, 400))
            producer.flush(10)
            time.sleep(rng.random() * 0.02)
        spurt -= 1
        producer.produce(world.topics[event.kind], event.message(), event.user.encode(),
                         partition_of(event.user, PARTITIONS),
                         on_delivery=lambda error, _: failed.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed[:3]


def book(services, directory, workload, order, batching, seed, before_start, reference):
    """One order in a world of its own; the rows that came of it, compared with the model if there is one."""
    rng = random.Random(seed)
    first, last = model.day_of(workload.first_ms), model.day_of(workload.last_ms)
    events = order(rng, workload.with_repeats(rng, 0.02))
    with fresh_world(services, directory) as world:
        world.migrate(KAFKA_PARTITIONS=PARTITIONS)
        if before_start:
            send(world, events, rng, in_spurts=False)
        server = world.serve(**batching)
        if not before_start:
            send(world, events, rng, in_spurts=True)
        world.wait_processed(300)       # one event a batch, all of them late, is as slow as it gets
        answer = server.post("/api/campaigns/journal", {"from": str(first), "to": str(last)})
        assert answer.status_code == 200, answer.text
        db = world.db()
        # Written by request, and by themselves since these days were closed when the events came.
        eventually(lambda: model.journals_follow(db), 20)
        rows = model.dump(db)
        stored = world.sql("SELECT sum(stored[1] + stored[2] + stored[3]), "
                           "sum(duplicate[1] + duplicate[2] + duplicate[3]), "
                           "sum(dead_lettered[1] + dead_lettered[2] + dead_lettered[3]) FROM partition_fences")[0]
        assert stored == (len(workload.events), len(events) - len(workload.events), 0)
        if reference:
            model.assert_attribution(db, reference)
            assert model.recount(db) == reference.days
            assert model.day_shares(db) == reference.days
        return rows


def test_every_order_and_batching_gives_the_same_rows(services, tmp_path):
    rng = model.seeded_random()
    last_ms = model.ms_of_day(model.today_utc()) - 1        # all days can be journaled
    workload = model.Workload(rng, EVENTS, last_ms - 9 * model.MS_PER_DAY, last_ms, users=EVENTS // 60,
                              adjusted_share=0.15)
    reference = model.Model(workload.events)
    assert_workload_is_rich(reference)

    orders = itertools.chain(ORDERINGS, itertools.repeat(shuffled))
    plans = list(itertools.islice(zip(orders, itertools.cycle(BATCHINGS)), ORDERS))
    seeds = [rng.randrange(1 << 32) for _ in plans]

    def run(number):
        order, batching = plans[number]
        before_start = number % 3 != 1
        what = f"order {number}: {order.__name__}, {batching}, sent {'before' if before_start else 'after'} the start"
        with model.measured(what):
            return what, book(services, tmp_path / str(number), workload, order, batching, seeds[number],
                              before_start, reference if number == 0 else None)

    services.heal()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:      # most of the time of each is starting and stopping
        (_, first), *others = pool.map(run, range(ORDERS))
    assert all(first[table] for table in model.COMPARED_TABLES), "an empty table proves nothing"
    for what, rows in others:
        model.assert_same_dumps(first, rows, what)


def assert_workload_is_rich(reference):
    """A workload that holds no hard case proves nothing."""
    earned = {v: c for v in reference.conversions if (c := reference.last_click[v.identity])}
    delays = {v.ms - c.ms for v, c in earned.items()}
    assert {0, model.WINDOW_MS} <= delays, "no conversion stands on a window's end"
    assert len(reference.conversions) * 0.2 < len(earned) < len(reference.conversions) * 0.9
    ties = {(c.user, c.campaign, c.source, c.ms) for c in reference.clicks}
    assert len(ties) < len(reference.clicks), "no two clicks of a user at the same time"
    assert len({c.id for c in reference.clicks}) < len(reference.clicks), "no id at two times"


# --- backlogs ------------------------------------------------------------------------------------

BACKLOG = 12_000  # of one partition: several fetches' worth of clicks, less than one of conversions


def test_conversions_of_a_backlog_wait_for_their_clicks(world):
    """Booked before their clicks, most of them would be booked again with each click."""
    rng = model.seeded_random()
    world.migrate(KAFKA_PARTITIONS=1)
    users = [model.new_uuid(rng) for _ in range(BACKLOG // 10)]
    campaign, first = model.new_uuid(rng), model.now_ms() - model.MS_PER_DAY // 2
    conversions = 0
    for i in range(BACKLOG):
        more = ("click",) if rng.random() >= 0.05 else ("conversion", "purchase", 100)
        event = model.Event(more[0], model.new_uuid(rng), first + 100 * i, rng.choice(users), campaign, "x", *more[1:])
        world.produce(event.kind, event.message(), event.user.encode())
        conversions += event.kind == "conversion"
    world.flush()
    server = world.serve(KAFKA_PARTITIONS=1)
    world.wait_processed()
    late = eventually(lambda: [server.metrics()["tyr_late_attributions_total"]], 5)[0]
    assert late < conversions / 4, f"{late:g} of {conversions} were booked again"
