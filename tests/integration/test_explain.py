"""Why a conversion is credited so, and where an event went: every reason, and hundreds of random conversions."""

import collections
import datetime
import os
import random
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

import attribution
import model
import test_models
from harness import click_body, conversion_body, eventually, new_id, now, rfc3339

LOGS = 60 if model.sanitized() else 300
SEED = 1123
HOUR_MS, WHOLE = model.MS_PER_HOUR, attribution.WHOLE
PATH_MAX = 3


@pytest.fixture(name="server", scope="module")
def fixture_server(module_world):
    return module_world.serve(ATTRIBUTION_PATH_MAX=PATH_MAX)


def explain(server, conversion_id, **params):
    response = server.get(f"/api/conversions/{conversion_id}/explain", **params)
    assert response.status_code == 200, f"{response.status_code} {response.text}"
    answer = response.json()
    assert answer["conversion_id"] == conversion_id
    return answer


def explain_one(server, conversion_id, **params):
    answer = explain(server, conversion_id, **params)
    assert len(answer["data"]) == 1 and answer["more"] == 0
    return answer["data"][0]


def trace(server, event_id):
    response = server.get(f"/api/events/{event_id}")
    assert response.status_code == 200, f"{response.status_code} {response.text}"
    answer = response.json()
    assert answer["id"] == event_id
    return answer


def error_of(response):
    body = response.json()
    assert body["status"] == "error"
    return response.status_code, body["error"]["code"], body["error"]["field"]


def hours_ago(hours):
    return rfc3339(now() - datetime.timedelta(hours=hours))


def by_click(conversion):
    found = {c["click_id"]: c for c in conversion["candidates"]}
    assert len(found) == len(conversion["candidates"])
    dates = [(c["click_date"], c["click_id"]) for c in conversion["candidates"]]
    assert dates == sorted(dates, reverse=True)
    return found


def told(candidate):
    """(in, reason, last click's reason)"""
    assert candidate["in"] == (candidate["reason"] is None)
    last = candidate["last_click"]
    assert last["eligible"] == (last["reason"] is None)
    return candidate["in"], candidate["reason"], last["reason"]


# --- explain ---------------------------------------------------------------------------------------

def test_every_reason(module_world, server):
    user, campaign, other = new_id(), new_id(), new_id()

    def click(hours, campaign_id=campaign, source="mail"):
        return server.click(user_id=user, campaign_id=campaign_id, source=source,
                            click_date=hours_ago(hours))["click_id"]

    old, first, beyond, second = click(30), click(20), click(19), click(6)
    elsewhere, ad, after = click(5, other), click(4, source="ad"), click(1)
    conversion = server.conversion(user_id=user, campaign_id=campaign, source="mail", value="12.5",
                                   conversion_date=hours_ago(3))["conversion_id"]
    module_world.wait_processed()
    answer = explain_one(server, conversion)
    assert (answer["campaign_id"], answer["source"], answer["type"], answer["value"], answer["user_id"]) == \
        (campaign, "mail", "purchase", "12.50", user)
    assert (answer["click_id"], answer["named_click"], answer["consistent"]) == (None, None, True)
    assert (answer["more_before"], answer["more_after"]) == (0, 0)
    assert answer["settings"] == {
        "window_ms": 24 * HOUR_MS, "models_since": None, "path_max": PATH_MAX, "narrow": False, "first_ppm": 400_000,
        "last_ppm": 400_000, "half_life_ms": 168 * HOUR_MS, "direct_sources": ["(direct)", "(none)", "direct"]}
    clicks = by_click(answer)
    assert {key: told(c) for key, c in clicks.items()} == {
        old: (False, "outside_window", "outside_window"),
        first: (False, "beyond_path", "beyond_path"),
        beyond: (False, "beyond_path", "beyond_path"),
        second: (True, None, None),
        elsewhere: (True, None, "other_campaign"),
        ad: (True, None, "other_source"),
        after: (False, "after_conversion", "after_conversion"),
    }
    assert clicks[first]["credits"] == {**dict.fromkeys(attribution.MODELS, 0), "first_click": WHOLE}
    assert clicks[second]["credits"]["last_click"] == WHOLE
    assert clicks[ad]["credits"]["last_non_direct"] == WHOLE
    assert not any(clicks[old]["credits"].values()) and not any(clicks[after]["credits"].values())
    assert answer["models"] == dict.fromkeys(attribution.MODELS, {"credit": WHOLE, "unattributed": False})
    few = explain_one(server, conversion, limit=0)
    assert set(by_click(few)) == {first, second, elsewhere, ad, after}
    assert few["more_before"] == 2


def test_reasons_where_paths_are_narrowed(world):
    server = world.serve(ATTRIBUTION_NARROW="true")
    user, campaign = new_id(), new_id()
    ids = [server.click(user_id=user, campaign_id=c, source=s, click_date=hours_ago(2))["click_id"]
           for c, s in ((campaign, "mail"), (new_id(), "mail"), (campaign, "ad"))]
    conversion = server.conversion(user_id=user, campaign_id=campaign, source="mail")["conversion_id"]
    world.wait_processed()
    answer = explain_one(server, conversion)
    assert answer["settings"]["narrow"] and answer["consistent"]
    clicks = by_click(answer)
    assert [told(clicks[key]) for key in ids] == [
        (True, None, None), (False, "other_campaign", "other_campaign"), (False, "other_source", "other_source")]


def test_a_conversion_without_touch_campaign_and_source(module_world, server):
    conversion = server.conversion(campaign_id=None, source=None, value=None)["conversion_id"]
    module_world.wait_processed()
    answer = explain_one(server, conversion)
    assert (answer["campaign_id"], answer["source"], answer["value"], answer["candidates"]) == (None, None, "0.00", [])
    assert answer["models"] == dict.fromkeys(attribution.MODELS, {"credit": 0, "unattributed": True})
    assert answer["consistent"]
    (stored,) = trace(server, conversion)["data"]
    assert (stored["attributed"], stored["last_click"]) == (False, None)


def test_a_named_click(module_world, server):
    user, campaign = new_id(), new_id()
    far = server.click(user_id=user, source="ad", click_date=hours_ago(500))["click_id"]
    near = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(2))["click_id"]
    late = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(0.5))["click_id"]
    foreign = server.click()["click_id"]
    cases = {far: (True, None), late: (False, "after_conversion"), foreign: (False, "other_user"),
             new_id(): (False, "unknown_click")}
    conversions = {click: server.conversion(user_id=user, campaign_id=campaign, click_id=click,
                                            conversion_date=hours_ago(1))["conversion_id"] for click in cases}
    module_world.wait_processed()
    for click, (wins, reason) in cases.items():
        answer = explain_one(server, conversions[click])
        assert answer["click_id"] == click and answer["consistent"]
        assert answer["named_click"] == {"wins": wins, "reason": reason}
        clicks = by_click(answer)
        assert clicks[far if wins else near]["credits"]["last_click"] == WHOLE
        assert clicks[near]["credits"]["linear"] == WHOLE
        assert told(clicks[near]) == (True, None, "other_click_named" if wins else None)
        assert told(clicks[far]) == (False, "outside_window", None if wins else "outside_window")


def test_several_times_of_one_id(module_world, server):
    key, users = new_id(), [new_id() for _ in range(12)]
    for i, user in enumerate(users):
        server.conversion(conversion_id=key, user_id=user, conversion_date=hours_ago(i + 1))
    module_world.wait_processed()
    answer = explain(server, key)
    assert [c["user_id"] for c in answer["data"]] == users[:10] and answer["more"] == 2
    traced = trace(server, key)
    assert [t["user_id"] for t in traced["data"]] == users[:10] and traced["more"]


def test_bad_requests(server):
    unknown = new_id()
    assert error_of(server.get(f"/api/conversions/{unknown}/explain")) == (404, "unknown_conversion", "conversion_id")
    assert error_of(server.get(f"/api/events/{unknown}")) == (404, "unknown_event", "id")
    for bad in ("x", unknown[:-1], unknown + "0", unknown.replace("-", "_")):
        assert error_of(server.get(f"/api/conversions/{bad}/explain")) == (400, "invalid_field", "conversion_id")
        assert error_of(server.get(f"/api/events/{bad}")) == (400, "invalid_field", "id")
    for path in (f"/api/conversions/{unknown}", f"/api/conversions/{unknown}/explain/", "/api/conversions//explain",
                 f"/api/conversions/{unknown}/explained", "/api/events/", f"/api/events/{unknown}/"):
        assert error_of(server.get(path)) == (404, "not_found", None), path
    for params, field in (({"limit": "-1"}, "limit"), ({"limit": "1001"}, "limit"), ({"limit": ""}, "limit"),
                          ({"most": "3"}, "most")):
        response = server.get(f"/api/conversions/{unknown}/explain", **params)
        assert error_of(response) == (400, "invalid_field", field)
    response = server.post(f"/api/events/{unknown}", {})
    assert error_of(response) == (405, "method_not_allowed", None) and response.headers["Allow"] == "GET, HEAD"
    assert server.get("/api/events/click").headers["Allow"] == "POST"       # its own path before that of an id


def test_a_late_click_changes_the_answer(module_world, server):
    user, campaign = new_id(), new_id()
    first = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(3))["click_id"]
    conversion = server.conversion(user_id=user, campaign_id=campaign, conversion_date=hours_ago(1))["conversion_id"]
    module_world.wait_processed()
    before = explain_one(server, conversion)
    (traced,) = trace(server, conversion)["data"]
    assert traced["attributed"] and traced["last_click"]["click_id"] == first
    assert traced["attributed_at"] == traced["stored_at"]
    time.sleep(0.002)
    late = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(2))["click_id"]
    module_world.wait_processed()
    after = explain_one(server, conversion)
    assert after["consistent"] and len(after["candidates"]) == 2
    assert by_click(before)[first]["credits"]["last_click"] == WHOLE
    assert [by_click(after)[key]["credits"]["last_click"] for key in (first, late)] == [0, WHOLE]
    (again,) = trace(server, conversion)["data"]
    assert again["last_click"]["click_id"] == late
    assert again["attributed_at"] > traced["attributed_at"] and again["stored_at"] == traced["stored_at"]
    for key in (first, late):
        (of_click,) = trace(server, key)["data"]
        assert of_click["credited_by"]["conversions"] == 1 and of_click["credited_by"]["complete"]
        assert [c["conversion_id"] for c in of_click["credited_by"]["data"]] == [conversion]


def test_what_is_stored_otherwise_does_not_hide(world):
    server = world.serve()
    user = new_id()
    campaign = new_id()
    ids = [server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(h))["click_id"] for h in (5, 3)]
    conversion = server.conversion(user_id=user, campaign_id=campaign)["conversion_id"]
    world.wait_processed()
    assert explain_one(server, conversion)["consistent"]
    # settings for the past, which the stored credits do not know
    world.sql("INSERT INTO attribution_windows (valid_from, lookback) VALUES (now() - interval '1 day', '4 hours')")
    answer = explain_one(server, conversion)
    clicks = by_click(answer)
    assert not answer["consistent"] and answer["settings"]["window_ms"] == 4 * HOUR_MS
    assert [told(clicks[key])[:2] for key in ids] == [(False, "outside_window"), (True, None)]
    assert [clicks[key]["credits"]["linear"] for key in ids] == [WHOLE // 2] * 2
    done = world.run("reconcile", "--repair")
    assert done.returncode == 0, done.stdout
    assert explain_one(server, conversion)["consistent"]
    # a last click beside the path that is not the path's
    world.sql("UPDATE conversion_events SET click_id = %s", new_id())
    assert not explain_one(server, conversion)["consistent"]


def test_a_hundred_thousand_clicks(world):
    """Memory and answer stay small, and nothing that is credited is left out."""
    clicks = 20_000 if model.sanitized() else 100_000
    server = world.serve()
    user, campaign, when = new_id(), new_id(), hours_ago(1)
    server.click(user_id=user, campaign_id=campaign)                # makes the months' tables, as does the next
    first = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(20))["click_id"]
    world.wait_processed()
    db = world.db()
    db.execute("INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard)"
               " SELECT gen_random_uuid(), date_trunc('milliseconds', now() - interval '19 hours' * n / %s), %s, %s,"
               " 'many', 0 FROM generate_series(1, %s) n", (clicks, user, campaign, clicks))
    before, after = db.execute("SELECT count(*) FILTER (WHERE click_date <= %s),"
                               " count(*) FILTER (WHERE click_date > %s) FROM click_events WHERE user_id = %s",
                               (when, when, user)).fetchone()
    conversion = server.conversion(user_id=user, campaign_id=None, source=None, conversion_date=when)["conversion_id"]
    world.wait_processed()
    explain_one(server, conversion, limit=10)
    memory = server.rss()
    with model.measured(f"explaining a conversion among {clicks} clicks"):
        answer = explain_one(server, conversion, limit=10)
    assert answer["consistent"]
    assert len([c for c in answer["candidates"] if c["in"]]) == 200
    assert sum(c["credits"]["linear"] for c in answer["candidates"]) == WHOLE
    assert by_click(answer)[first]["credits"]["first_click"] == WHOLE
    assert told(by_click(answer)[first])[:2] == (False, "beyond_path")
    assert len([c for c in answer["candidates"] if c["reason"] == "after_conversion"]) == 10
    assert len(answer["candidates"]) == 200 + 1 + 10 + 10
    assert (answer["more_before"], answer["more_after"]) == (before - 211, after - 10)
    for _ in range(5):
        explain_one(server, conversion, limit=10)
    if not model.sanitized():
        assert server.rss() - memory < 8 << 20


# --- trace -----------------------------------------------------------------------------------------

def read_log(world, kind):
    """Every message of a topic: {(partition, offset): (id, Kafka's time)}."""
    consumer = Consumer(world.services.kafka_conf(**{"group.id": world.name + "-test", "enable.auto.commit": False}))
    ends = world.end_offsets(kind)
    consumer.assign([TopicPartition(world.topics[kind], p, OFFSET_BEGINNING) for p in range(len(ends))])
    found = {}
    deadline = time.monotonic() + 60
    while len(found) < sum(ends):
        assert time.monotonic() < deadline
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            text = message.value().decode()
            key = text.split(f'"{kind}_id":"')[1][:36]
            found[message.partition(), message.offset()] = key, message.timestamp()[1]
    consumer.close()
    return found


def test_offsets_are_those_of_the_log(world):
    server = world.serve()
    users = [new_id() for _ in range(20)]
    events = [{"event": "click", **click_body(user_id=u, click_id=new_id())} for u in users]
    events += [{"event": "conversion", **conversion_body(user_id=u, conversion_id=new_id())} for u in users]
    server.batch(events)
    world.wait_processed()
    server.batch(events[:5])                        # once more: the first ones stay
    world.wait_processed()
    for kind in ("click", "conversion"):
        log = read_log(world, kind)
        first = {}
        for place, (key, ms) in sorted(log.items()):
            first.setdefault(key, (place, ms))
        for event in events:
            if event["event"] != kind:
                continue
            (traced,) = trace(server, event[f"{kind}_id"])["data"]
            place, ms = first[event[f"{kind}_id"]]
            assert (traced["state"], traced["event"], traced["topic"]) == ("stored", kind, world.topics[kind])
            assert (traced["partition"], traced["offset"]) == place
            assert traced["accepted_at"] == model.rfc3339(ms)
            assert traced[f"{kind}_date"] == event[f"{kind}_date"] and traced["user_id"] == event["user_id"]
            assert traced["accepted_at"] <= traced["stored_at"]
    # rows from before the columns were there
    world.sql("UPDATE click_events SET log_offset = NULL, accepted_at = NULL")
    world.sql("UPDATE conversion_events SET log_offset = NULL, accepted_at = NULL, attributed_at = NULL")
    for event in (events[0], events[-1]):
        (traced,) = trace(server, event[f"{event['event']}_id"])["data"]
        assert traced["offset"] is None and traced["accepted_at"] is None
        assert traced.get("attributed_at") is None


def test_a_dead_letter_is_found_by_its_event(module_world, server):
    key, user, when = new_id(), new_id(), hours_ago(1)
    server.click(click_id=key, user_id=user, click_date=when, source="first")
    module_world.wait_processed()
    server.click(click_id=key, user_id=user, click_date=when, source="second")
    server.conversion(conversion_id=key, user_id=user)
    module_world.wait_processed()
    answer = trace(server, key)
    assert [t["state"] for t in answer["data"]] == ["stored", "stored", "dead_letter"]
    click, conversion, letter = answer["data"]
    assert (click["event"], conversion["event"]) == ("click", "conversion")
    assert (letter["reason"], letter["resolution"]) == ("conflict", "open") and letter["detail"]
    assert (letter["topic"], letter["partition"]) == (click["topic"], click["partition"])
    assert letter["offset"] > click["offset"]
    module_world.produce("click", b"{", user.encode())
    module_world.wait_processed()                   # what cannot be read has no id
    assert module_world.sql("SELECT count(*) FROM dead_letters WHERE event_id IS NULL") == [(1,)]


def test_many_conversions_of_a_click(module_world, server):
    user, campaign = new_id(), new_id()
    click = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(2))["click_id"]
    start = now() - datetime.timedelta(hours=1)
    dates = [rfc3339(start + datetime.timedelta(seconds=i)) for i in range(1050)]
    for i in range(0, len(dates), 350):
        server.batch([{"event": "conversion", **conversion_body(user_id=user, campaign_id=campaign, conversion_date=d)}
                      for d in dates[i:i + 350]])
    module_world.wait_processed()
    (traced,) = trace(server, click)["data"]
    credited = traced["credited_by"]
    assert credited["conversions"] == 1000 and not credited["complete"] and len(credited["data"]) == 100
    assert [c["conversion_date"] for c in credited["data"]] == dates[:100]
    far = server.click(user_id=user, campaign_id=campaign, click_date=hours_ago(200))["click_id"]
    late = server.conversion(user_id=user, campaign_id=campaign, click_id=far)["conversion_id"]
    module_world.wait_processed()
    (traced,) = trace(server, far)["data"]          # named, outside every window
    assert [c["conversion_id"] for c in traced["credited_by"]["data"]] == [late] and traced["credited_by"]["complete"]


def test_postgres_is_down(world):
    server = world.serve()
    user = new_id()
    click = server.click(user_id=user)["click_id"]
    conversion = server.conversion(user_id=user)["conversion_id"]
    world.wait_processed()
    explain_one(server, conversion)
    world.services.stop("postgres")
    paths = (f"/api/conversions/{conversion}/explain", f"/api/events/{click}")
    for path in paths:
        response = server.get(path)
        assert error_of(response) == (503, "unavailable", None) and response.headers["Retry-After"] == "1"
    world.services.start("postgres")
    for path in paths:
        eventually(lambda p=path: server.get(p).status_code == 200, 20)


# --- random logs -----------------------------------------------------------------------------------

def expected_reasons(v, clicks, rules):
    """{(click id, ms): (in, reason, last click's reason)}, each click tried by itself."""
    settings = rules.of(v.ms)

    def fate(c):
        if c.ms > v.ms:
            return "after_conversion"
        if c.ms < v.ms - rules.lookback_ms(c.campaign, v.type, v.ms):
            return "outside_window"
        return misfit(c) if settings.is_narrowed else None

    def misfit(c):
        if v.campaign not in (attribution.NIL, c.campaign):
            return "other_campaign"
        return None if v.source in ("", c.source) else "other_source"

    path = sorted((c for c in clicks if fate(c) is None), key=lambda c: (c.ms, c.id))[-settings.path_max:]
    own = [c for c in clicks if c.id == v.named and c.ms <= v.ms]
    result = {}
    for c in clicks:
        reason = fate(c) or (None if c in path else "beyond_path")
        last = reason or misfit(c)
        if own:
            last = None if c == max(own, key=lambda k: k.ms) else "other_click_named"
        result[c.id, c.ms] = reason is None, reason, last
    return result


def expected_named(v, clicks_by_id):
    if not v.named:
        return None
    of_id = clicks_by_id[v.named]
    own = [c for c in of_id if c.user == v.user]
    if any(c.ms <= v.ms for c in own):
        return {"wins": True, "reason": None}
    return {"wins": False,
            "reason": "after_conversion" if own else "other_user" if of_id else "unknown_click"}


def ms_of(text):
    when = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return round(when.timestamp() * 1000)


def check_settings(answer, v, rules):
    wanted = rules.of(v.ms)
    assert answer["settings"] == {
        "window_ms": rules.lookback_ms(v.campaign, v.type, v.ms),
        "models_since": None if wanted.from_ms == attribution.ALWAYS else model.rfc3339(wanted.from_ms),
        "path_max": wanted.path_max, "narrow": wanted.is_narrowed, "first_ppm": wanted.first_ppm,
        "last_ppm": wanted.last_ppm, "half_life_ms": wanted.half_life_ms, "direct_sources": sorted(wanted.direct)}


def check_explained(answer, v, clicks, rules, stored):
    """One answer beside the reference's reasons, the reference's credits, and the credits that are stored."""
    assert answer["consistent"] is True and answer["more_before"] == 0
    candidates = {(c["click_id"], ms_of(c["click_date"])): c for c in answer["candidates"]}
    later = sorted((c for c in clicks if c.ms > v.ms), key=lambda c: (c.ms, c.id))
    unlisted = {(c.id, c.ms) for c in later[10:]}
    wanted = {key: told_ for key, told_ in expected_reasons(v, clicks, rules).items() if key not in unlisted}
    assert {key: told(c) for key, c in candidates.items()} == wanted
    assert answer["more_after"] == len(unlisted)
    reference = attribution.credits_of(v, clicks, rules, v.named)
    for name in attribution.MODELS:
        credits = {key: c["credits"][name] for key, c in candidates.items() if c["credits"][name]}
        assert credits == stored[name] == {(c.id, c.ms): n for c, n in reference[name].items()}, name
        assert answer["models"][name] == {"credit": sum(credits.values()), "unattributed": not credits}
        assert sum(credits.values()) in (0, WHOLE)
    for c in clicks:
        if (c.id, c.ms) in candidates:
            own = candidates[c.id, c.ms]
            assert (own["campaign_id"], own["source"]) == (c.campaign, c.source)
            assert own["window_ms"] == rules.lookback_ms(c.campaign, v.type, v.ms)


def test_explain_agrees_with_the_stored_credits_for_every_conversion_of_a_random_log(world):
    seed = int(os.environ.get("TYR_SEED") or SEED)
    print(f"seed {seed} (repeat with TYR_SEED={seed})")
    rng = random.Random(seed)
    last_ms = model.now_ms() - HOUR_MS
    first_ms = last_ms - 10 * model.MS_PER_DAY
    campaigns = [model.new_uuid(rng) for _ in range(test_models.CAMPAIGNS)]
    world.migrate(KAFKA_PARTITIONS=test_models.PARTITIONS)
    assert world.serve().stop() == 0                # seeds the settings, which are then replaced
    rules = test_models.settings(world, rng, campaigns, first_ms)
    logs = [test_models.one_log(rng, campaigns, rules, first_ms, last_ms) for _ in range(LOGS)]
    every = [c for clicks, _, _ in logs for c in clicks]
    for _, conversions, _ in logs:                   # some name the click of somebody else
        conversions[:] = [v._replace(named=rng.choice(every).id) if rng.random() < 0.04 else v for v in conversions]
    clicks_by_id = collections.defaultdict(list)
    for c in every:
        clicks_by_id[c.id].append(c)
    server = world.serve(BATCH_MAX_EVENTS=100, BATCH_LINGER_MS=5)
    test_models.send(world, rng, [event for kinds in logs for kind in kinds for event in kind])
    world.wait_processed(120)

    stored = test_models.stored_credits(world.db())
    reasons = collections.Counter()
    for clicks, conversions, adjustments in logs:
        for v in conversions:
            answer = explain_one(server, v.id)
            assert (answer["user_id"], answer["campaign_id"] or attribution.NIL, answer["source"] or "", answer["type"],
                    answer["value"], answer["click_id"] or "", ms_of(answer["conversion_date"])) == \
                (v.user, v.campaign, v.source, v.type, model.money(v.value_minor), v.named, v.ms)
            worth = attribution.worth(v, adjustments)
            assert answer["cancelled"] == (worth is None)
            assert worth is None or (answer["adjusted_value"] or answer["value"]) == model.money(worth)
            assert answer["named_click"] == expected_named(v, clicks_by_id)
            check_settings(answer, v, rules)
            check_explained(answer, v, clicks, rules, stored[v.id, v.ms])
            reasons.update(told(c)[1:] for c in answer["candidates"])
            reasons.update([answer["named_click"]["reason"] or "wins"] if answer["named_click"] else ["no name"])
    print(sum(len(conversions) for _, conversions, _ in logs), "conversions:", dict(reasons))
    seen = {word for pair in reasons for word in (pair if isinstance(pair, tuple) else (pair,))}
    assert seen >= {None, "after_conversion", "outside_window", "other_campaign", "other_source", "beyond_path",
                    "other_click_named", "wins", "unknown_click", "other_user", "no name"}
