"""Every model's credits, for thousands of random histories of one user each, against the slow and obvious way.

Late and repeated events, equal times, window edges, settings that change, conversions that leave campaign and source
out or name a click, adjustments before and after: sent in any order and cut into batches in many ways.
"""

import collections
import datetime
import typing

from confluent_kafka import Producer

import attribution
import model
from harness import partition_of

LOGS = 500 if model.sanitized() else 10_000
HOUR, DAY = model.MS_PER_HOUR, model.MS_PER_DAY
PARTITIONS = 4
CAMPAIGNS, SOURCES, TYPES = 4, ("mail", "direct", "ad", "(none)"), ("purchase", "signup")


class Conversion(typing.NamedTuple):
    """A conversion that may leave out where it belongs, and name a click."""
    id: str
    ms: int
    user: str
    campaign: str
    source: str
    type: str
    value_minor: int
    named: str

    def message(self):
        """As it lies in Kafka."""
        text = f'{{"conversion_id":"{self.id}","user_id":"{self.user}"'
        if self.campaign != attribution.NIL:
            text += f',"campaign_id":"{self.campaign}"'
        if self.named:
            text += f',"click_id":"{self.named}"'
        if self.source:
            text += f',"source":"{self.source}"'
        return (text + f',"conversion_date":"{model.rfc3339(self.ms)}","type":"{self.type}"'
                f',"value":{model.money(self.value_minor)}}}').encode()


def settings(world, rng, campaigns, first_ms):
    """Dated settings in the middle of the events' time; in the database and as the reference's rules."""
    at = [first_ms + i * 2 * DAY for i in range(1, 5)]
    windows = [attribution.Window(None, None, attribution.ALWAYS, 24 * HOUR),
               attribution.Window(None, None, at[0], 36 * HOUR),
               attribution.Window(None, "signup", at[1], 60_000),
               attribution.Window(campaigns[0], None, at[1], 72 * HOUR),
               attribution.Window(campaigns[0], "signup", at[2], 5 * HOUR),
               attribution.Window(campaigns[0], "signup", at[3], None),
               attribution.Window(campaigns[1], None, at[0], 2 * HOUR)]
    models = [attribution.ModelRules(attribution.ALWAYS),
              attribution.ModelRules(at[1], 300_000, 100_000, 6 * HOUR, 4, False, ("direct", "mail")),
              attribution.ModelRules(at[2], 0, 1_000_000, 90_000, 200, True, ()),
              attribution.ModelRules(at[3], 0, 0, rng.randrange(60_000, DAY), 3, False, ("ad",))]
    db = world.db()
    db.execute("TRUNCATE attribution_windows, attribution_models")
    for w in windows:
        db.execute("INSERT INTO attribution_windows (campaign_id, type, valid_from, lookback) VALUES (%s, %s, %s, %s)",
                   (w.campaign or attribution.NIL, w.type or "", moment(w.from_ms),
                    None if w.lookback_ms is None else datetime.timedelta(milliseconds=w.lookback_ms)))
    for m in models:
        db.execute("INSERT INTO attribution_models VALUES (%s, %s, %s, %s, %s, %s, %s)",
                   (moment(m.from_ms), m.first_ppm, m.last_ppm, datetime.timedelta(milliseconds=m.half_life_ms),
                    m.path_max, m.is_narrowed, list(m.direct)))
    return attribution.Rules(windows, models)


def moment(ms):
    return "-infinity" if ms == attribution.ALWAYS else model.rfc3339(ms)


def one_log(rng, campaigns, rules, first_ms, last_ms):
    """The clicks and conversions of one user."""
    user = model.new_uuid(rng)
    begin = rng.randrange(first_ms, last_ms - 2 * DAY)
    clicks = []
    for _ in range(rng.choice((0, 1, 2, 3, 5, 8, 13))):
        near = rng.choice(clicks).ms if clicks and rng.random() < 0.2 else begin + rng.randrange(2 * DAY)
        clicks.append(model.Event("click", model.new_uuid(rng), near, user, rng.choice(campaigns), rng.choice(SOURCES)))
    if clicks and rng.random() < 0.1:           # the same id at another time is another event
        clicks.append(rng.choice(clicks)._replace(ms=begin + rng.randrange(2 * DAY)))
    conversions = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        kind = rng.choice(TYPES)
        ms = begin + rng.randrange(3 * DAY)
        if clicks and rng.random() < 0.5:       # at the edge of a window
            click = rng.choice(clicks)
            ms = click.ms + rng.choice((0, rules.lookback_ms(click.campaign, kind, click.ms))) + rng.choice((-1, 0, 1))
        conversions.append(Conversion(
            model.new_uuid(rng), min(ms, last_ms), user, rng.choice((*campaigns, attribution.NIL, attribution.NIL)),
            rng.choice((*SOURCES, "", "")), kind, rng.choice((0, 1, 10, 1999, rng.randrange(100_000), 10**15)),
            rng.choice(clicks).id if clicks and rng.random() < 0.2 else
            model.new_uuid(rng) if rng.random() < 0.05 else ""))
    adjustments = [a for v in conversions if rng.random() < 0.2
                   for a in model.adjustments_of(rng, v, rng.choice((1, 1, 2, 4)))]
    if rng.random() < 0.05:                     # of another user's conversion, or of none: it changes nothing
        adjustments.append(model.Adjustment(model.new_uuid(rng), begin, model.new_uuid(rng), conversions[0].id, "cancel"))
    return clicks, list({(v.id, v.ms): v for v in conversions}.values()), adjustments


def send(world, rng, events):
    """In any order, some of them twice."""
    events = events + rng.sample(events, len(events) // 50)
    rng.shuffle(events)
    producer = Producer(world.services.kafka_conf(**{"enable.idempotence": True, "linger.ms": 2,
                                                     "queue.buffering.max.messages": 500_000}))
    for event in events:
        topic = world.topics["conversion" if isinstance(event, Conversion) else event.kind]
        producer.produce(topic, event.message(), event.user.encode(), partition_of(event.user, PARTITIONS))
        producer.poll(0)
    assert producer.flush(120) == 0


def stored_credits(db):
    """{(conversion id, ms): {model: {(click id, ms): credit}}}"""
    result = collections.defaultdict(lambda: {m: {} for m in attribution.MODELS})
    for v, v_ms, name, click, ms, credit in db.execute(
            "SELECT conversion_id::text, (extract(epoch FROM conversion_date) * 1000)::bigint, model, click_id::text,"
            " (extract(epoch FROM click_date) * 1000)::bigint, credit FROM conversion_credits WHERE credit <> 0"):
        result[v, v_ms][name][click, ms] = credit
    return result


def stored_buckets(db):
    return {(campaign, source, kind, name, int(ms)): tuple(map(int, numbers))
            for campaign, source, kind, name, ms, *numbers in db.execute(
                "SELECT campaign_id::text, source, type, model, extract(epoch FROM bucket) * 1000, sum(credit),"
                " sum(value_minor), sum(unattributed), sum(unattributed_value_minor) FROM conversion_buckets"
                " GROUP BY 1, 2, 3, 4, 5 HAVING sum(credit) <> 0 OR sum(value_minor) <> 0 OR sum(unattributed) <> 0"
                " OR sum(unattributed_value_minor) <> 0")}


def test_ten_thousand_histories(world):
    rng = model.seeded_random()
    last_ms = model.now_ms() - HOUR
    first_ms = last_ms - 10 * DAY
    campaigns = [model.new_uuid(rng) for _ in range(CAMPAIGNS)]
    world.migrate(KAFKA_PARTITIONS=PARTITIONS)
    server = world.serve()                          # seeds the settings, which are then replaced
    assert server.stop() == 0
    rules = settings(world, rng, campaigns, first_ms)
    logs = [one_log(rng, campaigns, rules, first_ms, last_ms) for _ in range(LOGS)]
    events = [event for kinds in logs for kind in kinds for event in kind]
    half = rng.randrange(len(events))
    rng.shuffle(events)
    world.serve(BATCH_MAX_EVENTS=rng.choice((100, 700, 5000)), BATCH_LINGER_MS=5, WRITERS=2)
    send(world, rng, events[:half])
    send(world, rng, events[half:])
    world.wait_processed(240)

    db = world.db()
    stored = stored_credits(db)
    expected, worth = {}, {}
    for clicks, conversions, adjustments in logs:
        for v in conversions:
            worth[v] = attribution.worth(v, adjustments)
            expected[v] = attribution.credits_of(v, clicks, rules, v.named)
            wanted = {name: {(c.id, c.ms): n for c, n in credits.items()} for name, credits in expected[v].items()}
            assert stored[v.id, v.ms] == wanted, (v, clicks)
            for credits in wanted.values():
                assert not credits or sum(credits.values()) == attribution.WHOLE
    assert stored_buckets(db) == attribution.buckets(expected, worth)
    assert {None, 0} < set(worth.values()) and any(n not in (None, 0, v.value_minor) for v, n in worth.items())
    shares = collections.Counter(len(credits["linear"]) for credits in expected.values())
    assert all(shares[n] for n in (0, 1, 2, 3, 4, 5)), f"the histories are too plain: {shares}"
    assert any(v.named and not credits["linear"] and credits["last_click"] for v, credits in expected.items())
    done = world.run("reconcile")
    assert done.returncode == 0, done.stdout
