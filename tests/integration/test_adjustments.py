"""Adjustments: what cancels a conversion, takes something off its value or gives it another, whenever it comes."""

import itertools

import pytest

import attribution
import model
from harness import eventually, new_id, now, partition_of, rfc3339, today
from model import Adjustment, Asker, Event

VALUE = 100_00
NOW = model.now_ms


def adjustment_body(**fields):
    """An adjustment that is fine but for its change, with these fields instead. A field that is None is left out."""
    body = {"adjustment_id": new_id(), "conversion_id": new_id(), "user_id": new_id(), "adjustment_date": rfc3339(now())}
    return {key: value for key, value in {**body, **fields}.items() if value is not None}


def customer(campaign, days_ago=0, value_minor=VALUE):
    """A click and the conversion that it earned."""
    user, ms = new_id(), NOW() - days_ago * model.MS_PER_DAY
    return (Event("click", new_id(), ms - 1000, user, campaign, "mail"),
            Event("conversion", new_id(), ms, user, campaign, "mail", "purchase", value_minor))


def changes_of(conversion):
    """Two refunds and two new values, one of them older; together they come to 30.00 - 5.00 - 0.50."""
    def change(word, amount, ms):
        return Adjustment(new_id(), ms, conversion.user, conversion.id, word, amount)
    return [change("refund", 5_00, conversion.ms - 10), change("value", 70_00, conversion.ms - 5),
            change("value", 30_00, conversion.ms - 4), change("refund", 50, conversion.ms - 20)]


def period(server, campaign, day, **params):
    """(clicks, conversions, value, unattributed, its value) of a day as it is answered."""
    answer = server.statistics(campaign, **params)
    return next((tuple(row[name] for name in ("total_clicks", "total_conversions", "total_value",
                                              "unattributed_conversions", "unattributed_value"))
                 for row in answer["data"] if row["period"] == day), None)


def shows(server, campaign, day, expected):
    eventually(lambda: period(server, campaign, day) == expected, 10, f"{campaign} on {day} shows {expected}")


@pytest.mark.parametrize("days_ago", (0, 3))
def test_any_order_gives_one_result(world, days_ago):
    """Before the conversion, after it, twice, today and on a day that is closed."""
    server, day = world.serve(BATCH_MAX_EVENTS=7), today(-days_ago)
    eventually(lambda: world.sql("SELECT 1 FROM journal_state WHERE closed_through >= current_date - 3"), 20)
    campaign, asker = new_id(), Asker(server)
    orders = list(itertools.permutations(range(6)))[::17]
    for i, order in enumerate(orders):
        click, conversion = customer(campaign, days_ago)
        events = [click, conversion, *changes_of(conversion)]
        events = [events[k] for k in order]
        asker.send(events + events[:2])             # repeated in the same batch
        if i % 5 == 0:
            world.wait_processed()
            asker.send(events)                      # and later
    n = len(orders)
    money = model.money(n * 24_50)
    shows(server, campaign, day, (n, n, money, 0, "0.00"))
    world.wait_processed()
    assert world.sql("SELECT DISTINCT adjusted_minor, is_cancelled FROM conversion_events") == [(24_50, False)]
    for name in attribution.MODELS:
        assert period(server, campaign, day, model=name) == (n, n, money, 0, "0.00"), name
    assert world.sql("SELECT sum(duplicate[3]) >= %s FROM partition_fences", n // 5) == [(True,)]
    done = world.run("reconcile")
    assert done.returncode == 0, done.stdout


def test_cancelled_is_not_counted(world):
    """Attributed or not, in every model; what else is said of it changes nothing."""
    server, day = world.serve(), today()
    campaign, other = new_id(), new_id()
    click, conversion = customer(campaign)
    lonely = Event("conversion", new_id(), NOW(), new_id(), other, "mail", "signup", 7_00)
    asker = Asker(server)
    asker.send([click, conversion, lonely])
    shows(server, campaign, day, (1, 1, "100.00", 0, "0.00"))
    shows(server, other, day, (0, 0, "0.00", 1, "7.00"))
    asker.send([Adjustment(new_id(), NOW(), v.user, v.id, "cancel") for v in (conversion, lonely)]
               + changes_of(conversion))
    shows(server, campaign, day, (1, 0, "0.00", 0, "0.00"))
    shows(server, other, day, None)
    for name in attribution.MODELS:
        assert period(server, campaign, day, model=name) == (1, 0, "0.00", 0, "0.00"), name
    late = Event("click", new_id(), lonely.ms - 1, lonely.user, other, "mail")
    asker.send([late])
    shows(server, other, day, (1, 0, "0.00", 0, "0.00"))
    assert world.redis().get(f"conversion_count:{campaign}:{day}") == "0"
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM conversion_buckets") == [(0,)]
    assert world.run("reconcile").returncode == 0


def test_values_stay_at_zero_and_follow_the_credit(world):
    """More refunded than there was is 0; shares of three touches add up to the cent."""
    server, day = world.serve(), today()
    campaign = new_id()
    click, conversion = customer(campaign)
    clicks = [click] + [click._replace(id=new_id(), ms=click.ms - i) for i in (1, 2)]
    Asker(server).send([*clicks, conversion, Adjustment(new_id(), NOW(), conversion.user, conversion.id, "value", 1_00)])
    shows(server, campaign, day, (3, 1, "1.00", 0, "0.00"))
    answer = server.statistics(campaign, model="linear", breakdown="source")
    assert [row["total_value"] for row in answer["data"] if row["total_conversions"]] == ["1.00"]
    server.post("/api/adjustments", adjustment_body(conversion_id=conversion.id, user_id=conversion.user, refund=1.01))
    shows(server, campaign, day, (3, 1, "0.00", 0, "0.00"))
    world.wait_processed()
    assert world.run("reconcile").returncode == 0


def test_only_the_same_user_may(world):
    """Another user's adjustment is kept, and changes nothing; so is one of a conversion that never comes."""
    server, day = world.serve(), today()
    campaign = new_id()
    click, conversion = customer(campaign)
    Asker(server).send([click, conversion, Adjustment(new_id(), NOW(), new_id(), conversion.id, "cancel"),
                        Adjustment(new_id(), NOW(), conversion.user, new_id(), "cancel")])
    world.wait_processed()
    shows(server, campaign, day, (1, 1, "100.00", 0, "0.00"))
    assert world.sql("SELECT count(*) FROM adjustment_events") == [(2,)]


def test_bad_requests(world):
    """The error names the field."""
    server = world.serve()
    for body, code, field in (
            (adjustment_body(), "missing_field", "value"),
            (adjustment_body(refund=1, cancel=True), "invalid_field", "refund"),
            (adjustment_body(cancel=False), "invalid_field", "cancel"),
            (adjustment_body(refund="-1"), "invalid_field", "refund"),
            (adjustment_body(value="1e400"), "invalid_field", "value"),
            (adjustment_body(cancel=True, conversion_id=None), "missing_field", "conversion_id"),
            (adjustment_body(cancel=True, user_id="me"), "invalid_field", "user_id"),
            (adjustment_body(cancel=True, adjustment_date="2026-02-30T00:00:00Z"), "invalid_field", "adjustment_date"),
            (adjustment_body(cancel=True, adjustment_date="2999-01-01T00:00:00Z"), "invalid_field", "adjustment_date")):
        response = server.post("/api/events/adjustment", body)
        assert response.status_code == 400, body
        assert (response.json()["error"]["code"], response.json()["error"]["field"]) == (code, field), response.text
    assert server.get("/api/events/adjustment").status_code == 405
    answer = server.post("/api/events/adjustment", adjustment_body(adjustment_id=None, value=5))
    assert answer.status_code == 201 and answer.json()["adjustment_id"] and answer.json()["status"] == "success"
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM adjustment_events") == [(1,)]
    assert server.metrics()['tyr_events_total{topic="adjustment",outcome="stored"}'] == 1


def test_dead_letters_and_the_log(world):
    """A conflict and a misplaced one become dead letters; mended they count; the log alone gives the same tables."""
    server, day = world.serve(), today()
    campaign = new_id()
    click, conversion = customer(campaign)
    refund = Adjustment(new_id(), NOW(), conversion.user, conversion.id, "refund", 10_00)
    for event in (click, refund, conversion, refund._replace(value_minor=11_00)):
        world.produce(event.kind, event.message(), event.user.encode())
    other = Adjustment(new_id(), NOW(), conversion.user, conversion.id, "refund", 1_00)
    place = next(p for p in range(world.partitions()) if p != partition_of(other.user, world.partitions()))
    world.produce("adjustment", other.message(), other.user.encode(), place)
    world.produce("adjustment", b'{"adjustment_id":1}', b"x", 0)
    world.wait_processed()
    assert dict(world.sql("SELECT reason, count(*) FROM dead_letters GROUP BY 1")) == \
        {"conflict": 1, "misplaced": 1, "malformed": 1}
    shows(server, campaign, day, (1, 1, "90.00", 0, "0.00"))
    done = world.run("dead-letters", "replay", "--reason=misplaced", "--topic=adjustment")
    assert done.returncode == 0, done.stdout + done.stderr
    shows(server, campaign, day, (1, 1, "89.00", 0, "0.00"))
    world.wait_processed()
    done = world.run("replay", "--into", "again", "--drop")
    assert done.returncode == 0, done.stdout + done.stderr
    done = world.run("replay", "--from-beginning", "--topic", "adjustment")
    assert done.returncode == 0, done.stdout + done.stderr
    shows(server, campaign, day, (1, 1, "89.00", 0, "0.00"))
    assert world.run("reconcile").returncode == 0


DAMAGE = {
    "value": "UPDATE conversion_events SET adjusted_minor = adjusted_minor + 1",
    "cancelled": "UPDATE conversion_events SET is_cancelled = true",
    "forgotten": "UPDATE conversion_events SET adjusted_minor = NULL",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_reconcile_mends(world, how):
    """What is booked otherwise than the adjustments say is found, and mended."""
    server, day = world.serve(), today(-2)
    campaign = new_id()
    click, conversion = customer(campaign, 2)
    Asker(server).send([click, conversion, *changes_of(conversion)])
    shows(server, campaign, day, (1, 1, "24.50", 0, "0.00"))
    world.wait_processed()
    eventually(lambda: model.journals_follow(world.db()), 10)
    world.sql(DAMAGE[how] + " RETURNING 1")
    done = world.run("reconcile")
    assert done.returncode == 3 and "or adjustments" in done.stdout, done.stdout
    done = world.run("reconcile", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    shows(server, campaign, day, (1, 1, "24.50", 0, "0.00"))
    assert world.sql("SELECT adjusted_minor, is_cancelled FROM conversion_events") == [(24_50, False)]
