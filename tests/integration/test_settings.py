"""Dated settings over HTTP: listed, added, taken away, followed by every writer, and never changing what is booked."""

import concurrent.futures
import datetime

import pytest

from harness import SLOW, eventually, new_id, now, rfc3339

WINDOWS, MODELS, CAMPAIGNS = "/api/settings/windows", "/api/settings/models", "/api/campaigns"
FUTURE_LIMIT_MS = 2000
AHEAD = datetime.timedelta(milliseconds=FUTURE_LIMIT_MS + 60_000)
DAY_MINUTES = 24 * 60
FIRST_MODELS = {"first_percent": 40, "last_percent": 40, "half_life_minutes": 7 * DAY_MINUTES, "path_max": 200,
                "narrow": False, "direct_sources": ["direct", "(direct)", "(none)"]}


def call(server, method, path, **kwargs):
    return server.session().request(method, server.url + path, timeout=30 * SLOW, **kwargs)


def added(server, path, **fields):
    response = server.post(path, fields)
    assert response.status_code == 201, response.text
    return response.json()


def listed(server, path, **params):
    response = server.get(path, **params)
    assert response.status_code == 200, response.text
    return response.json()["data"]


def taken_away(server, path, row):
    keys = {key: row[key] for key in ("campaign_id", "type", "valid_from") if row.get(key) is not None}
    return call(server, "DELETE", path, params=keys)


def error_of(response, status, code, field):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert (error["code"], error["field"]) == (code, field), error
    return error["message"]


def moment(text):
    return datetime.datetime.fromisoformat(text)


def campaign_of(server, **fields):
    response = server.post(CAMPAIGNS, {"name": "n", **fields})
    assert response.status_code == 201, response.text
    return response.json()


def window(campaign_id, kind, minutes, valid_from, state):
    return {"campaign_id": campaign_id, "type": kind, "lookback_minutes": minutes, "valid_from": valid_from,
            "state": state}


ALWAYS = window(None, None, DAY_MINUTES, None, "in_force")


@pytest.fixture(scope="module")
def server(module_world):
    """One for the tests that look only at rows of their own."""
    return module_world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)


# --- rows ------------------------------------------------------------------------------------------

def test_a_window_is_dated(world):
    """As early as may be without a date; a GET shows the past, what is in force, and what comes."""
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    assert listed(server, WINDOWS) == [ALWAYS]
    before = now()
    first = added(server, WINDOWS, lookback_minutes=90)
    assert before + AHEAD <= moment(first["valid_from"]) + datetime.timedelta(milliseconds=1) <= now() + AHEAD
    assert first == window(None, None, 90, first["valid_from"], "coming")
    later = added(server, WINDOWS, lookback_minutes=60, valid_from="2999-01-01T01:00:00.0009+01:00")
    assert later == window(None, None, 60, "2999-01-01T00:00:00.000Z", "coming")
    assert listed(server, WINDOWS) == [ALWAYS, first, later]

    # The same once more changes nothing; another one of that date is refused.
    again = server.post(WINDOWS, {"lookback_minutes": 60, "valid_from": later["valid_from"]})
    assert again.status_code == 200 and again.json() == later
    error_of(server.post(WINDOWS, {"lookback_minutes": 61, "valid_from": later["valid_from"]}), 409, "conflict",
             "valid_from")
    assert listed(server, WINDOWS) == [ALWAYS, first, later]

    # Taken away while nothing can be booked by it.
    gone = taken_away(server, WINDOWS, later)
    assert gone.status_code == 200 and gone.json() == later
    error_of(taken_away(server, WINDOWS, later), 404, "not_found", None)
    assert taken_away(server, WINDOWS, first).status_code == 200
    assert listed(server, WINDOWS) == [ALWAYS]

    # What was in force, and what may be booked by, stays.
    world.sql("INSERT INTO attribution_windows (valid_from, lookback) VALUES (now() - interval '2 days', '1 hour'),"
              " (now() - interval '1 day', '2 hours'), (now() + interval '31 seconds', '90 seconds')")
    rows = listed(server, WINDOWS)
    assert [(row["lookback_minutes"], row["state"]) for row in rows] == [
        (DAY_MINUTES, "past"), (60, "past"), (120, "in_force"), (1.5, "coming")]
    for row in rows[1:]:
        error_of(taken_away(server, WINDOWS, row), 409, "conflict", "valid_from")
    assert listed(server, WINDOWS) == rows


def test_too_early_is_refused(server):
    """The message names the earliest time and says what to do about the past; at that time it works."""
    for path, body in ((WINDOWS, {"lookback_minutes": 5, "type": "early"}), (MODELS, {"path_max": 5})):
        answer = server.get(path).json()
        earliest = moment(answer["earliest_valid_from"])
        assert abs(earliest - now() - AHEAD) < datetime.timedelta(seconds=5 * SLOW)
        for date in ("1970-01-01T00:00:00Z", rfc3339(now()), rfc3339(earliest - datetime.timedelta(seconds=1))):
            message = error_of(server.post(path, {**body, "valid_from": date}), 400, "invalid_field", "valid_from")
            named = moment(message.split("expected a time from ")[1].split(" on, ")[0])
            assert earliest <= named <= now() + AHEAD and "recompute" in message
        assert server.get(path).json()["data"] == answer["data"]


def test_filters_and_pages(server):
    """By campaign, by type, by both, and page by page: each row once."""
    one, two = (campaign_of(server)["campaign_id"] for _ in range(2))
    made = [added(server, WINDOWS, campaign_id=campaign, type=kind, lookback_minutes=minutes,
                  valid_from=f"29{minutes:02}-01-01T00:00:00Z")
            for campaign in (one, two, None) for kind in (None, "b", "é", "aa") for minutes in (10, 11)
            if campaign or kind]
    rows = listed(server, WINDOWS)
    assert all(row in rows for row in made)
    assert listed(server, WINDOWS, campaign_id=one) == [row for row in rows if row["campaign_id"] == one]
    assert listed(server, WINDOWS, type="aa") == [row for row in rows if row["type"] == "aa"]
    assert listed(server, WINDOWS, type="é", campaign_id=two.upper()) == [
        row for row in rows if row["type"] == "é" and row["campaign_id"] == two]
    assert listed(server, WINDOWS, type="", campaign_id="00000000-0000-0000-0000-000000000000") == [ALWAYS]
    for limit in (1, 2, 3, 7, len(rows), len(rows) + 1):
        found, cursor = [], None
        while True:
            page = server.get(WINDOWS, limit=limit, **({"cursor": cursor} if cursor else {})).json()
            assert len(page["data"]) == limit or page["next_cursor"] is None
            found += page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert found == rows, f"in pages of {limit}"
    for row in made:
        assert taken_away(server, WINDOWS, row).json() == row
    assert not any(row in listed(server, WINDOWS) for row in made)


def test_models_keep_what_is_left_out(world):
    """Each row is whole: from what holds at its date comes what a POST does not name."""
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    always = {**FIRST_MODELS, "valid_from": None, "state": "in_force"}
    assert listed(server, MODELS) == [always]
    far = added(server, MODELS, first_percent=12.3456, direct_sources=[], valid_from="2999-01-01T00:00:00Z")
    assert far == {**FIRST_MODELS, "first_percent": 12.3456, "direct_sources": [], "valid_from": "2999-01-01T00:00:00.000Z",
                   "state": "coming"}
    near = added(server, MODELS, half_life_minutes=90, narrow=True)
    assert near == {**FIRST_MODELS, "half_life_minutes": 90, "narrow": True, "valid_from": near["valid_from"],
                    "state": "coming"}
    between = added(server, MODELS, path_max=3, valid_from="2998-01-01T00:00:00Z")
    assert between == {**near, "path_max": 3, "valid_from": "2998-01-01T00:00:00.000Z"}
    last = added(server, MODELS, last_percent=87.6544, direct_sources=["b", "a"], valid_from="2999-01-02T00:00:00Z")
    assert last == {**far, "last_percent": 87.6544, "direct_sources": ["b", "a"],
                    "valid_from": "2999-01-02T00:00:00.000Z"}
    assert listed(server, MODELS) == [always, near, between, far, last]

    same = server.post(MODELS, {"direct_sources": ["b", "a"], "valid_from": last["valid_from"]})
    assert same.status_code == 200 and same.json() == last
    for other in ({"path_max": 7}, {"direct_sources": ["a", "b"]}, {"narrow": True}, {"last_percent": 87.6543}):
        error_of(server.post(MODELS, {**other, "valid_from": last["valid_from"]}), 409, "conflict", "valid_from")
    # Together with the one that is kept.
    error_of(server.post(MODELS, {"first_percent": 60.0001}), 400, "invalid_field", "first_percent")
    error_of(server.post(MODELS, {"last_percent": 61, "valid_from": "2997-01-01T00:00:00Z"}), 400, "invalid_field",
             "last_percent")
    assert listed(server, MODELS) == [always, near, between, far, last]
    assert taken_away(server, MODELS, far).json() == far
    error_of(taken_away(server, MODELS, far), 404, "not_found", None)
    assert listed(server, MODELS) == [always, near, between, last]


@pytest.mark.parametrize("path, body, code, field", [
    (WINDOWS, {}, "missing_field", "lookback_minutes"),
    (WINDOWS, {"lookback_minutes": 0}, "invalid_field", "lookback_minutes"),
    (WINDOWS, {"lookback_minutes": None}, "invalid_field", "lookback_minutes"),
    (WINDOWS, {"lookback_minutes": 1, "hours": 1}, "invalid_field", "hours"),
    (WINDOWS, {"lookback_minutes": 1, "type": ""}, "invalid_field", "type"),
    (WINDOWS, '{"lookback_minutes": 1, "lookback_minutes": 2}', "duplicate_field", "lookback_minutes"),
    (WINDOWS, "[1", "invalid_json", None),
    (MODELS, {}, "missing_field", None),
    (MODELS, {"first_percent": 51, "last_percent": 50}, "invalid_field", "last_percent"),
    (MODELS, {"path_max": 0}, "invalid_field", "path_max"),
    (MODELS, {"direct_sources": "direct"}, "invalid_field", "direct_sources"),
])
def test_bad_bodies(server, path, body, code, field):
    before = listed(server, path)
    message = error_of(server.post(path, body), 400, code, field)
    assert field is None or message.startswith(field + ": ")
    assert listed(server, path) == before


def test_bad_questions(server):
    error_of(server.get(WINDOWS, campaign="x"), 400, "invalid_field", "campaign")
    error_of(server.get(WINDOWS, limit=0), 400, "invalid_field", "limit")
    error_of(server.get(MODELS, limit=1), 400, "invalid_field", "limit")
    error_of(call(server, "DELETE", WINDOWS), 400, "missing_field", "valid_from")
    error_of(call(server, "DELETE", MODELS + "?valid_from=-infinity"), 400, "invalid_field", "valid_from")
    error_of(server.post(WINDOWS, {"campaign_id": new_id(), "lookback_minutes": 1}), 404, "unknown_campaign",
             "campaign_id")
    response = call(server, "PUT", MODELS)
    assert response.status_code == 405 and response.headers["Allow"] == "GET, HEAD, POST, DELETE"


# --- what writers make of them ----------------------------------------------------------------------

def path_of(world, user, at, minutes, campaign, kind="purchase"):
    """A click so many minutes before a conversion at that time, as another producer puts them into Kafka."""
    click = at - datetime.timedelta(minutes=minutes)
    world.produce_event("click", {"click_id": new_id(), "campaign_id": campaign, "user_id": user,
                                  "click_date": rfc3339(click), "source": "mail"})
    conversion = {"conversion_id": new_id(), "campaign_id": campaign, "user_id": user, "conversion_date": rfc3339(at),
                  "source": "mail", "type": kind, "value": 1}
    world.produce_event("conversion", conversion)
    return conversion["conversion_id"]


def earned(world, conversions):
    """Which of these conversions have a click."""
    world.wait_processed()
    found = dict(world.sql("SELECT conversion_id::text, click_id IS NOT NULL FROM conversion_events"))
    return [found[conversion] for conversion in conversions]


def test_every_writer_follows(world):
    """In two processes, whose writers have booked by the old settings before: to the millisecond by conversion_date."""
    options = {"FUTURE_LIMIT_MS": FUTURE_LIMIT_MS, "WRITERS": 2}
    servers = [world.serve(**options), world.serve(**options)]
    eventually(lambda: all(any(name.startswith("tyr_partition_next_offset") for name in server.metrics())
                           for server in servers), 30)
    special = campaign_of(servers[0])["campaign_id"]
    other = new_id()
    users = [new_id() for _ in range(24)]       # in every partition
    assert all(earned(world, [path_of(world, user, now(), 23 * 60, other) for user in users]))

    everyone = moment(added(servers[0], WINDOWS, lookback_minutes=60)["valid_from"])
    kind = moment(added(servers[1], WINDOWS, type="signup", lookback_minutes=90)["valid_from"])
    own = moment(added(servers[0], WINDOWS, campaign_id=special, lookback_minutes=30)["valid_from"])
    both = moment(added(servers[1], WINDOWS, campaign_id=special, type="signup", lookback_minutes=120)["valid_from"])
    ended = moment(added(servers[0], WINDOWS, campaign_id=special, lookback_minutes=None,
                         valid_from=rfc3339(both + datetime.timedelta(hours=1)))["valid_from"])
    tick = datetime.timedelta(milliseconds=1)
    cases = [(everyone - tick, 24 * 60, other, "purchase", True), (everyone, 60, other, "purchase", True),
             (everyone, 61, other, "purchase", False), (kind - tick, 61, other, "signup", False),
             (kind, 90, other, "signup", True), (kind, 91, other, "signup", False),
             (own - tick, 60, special, "purchase", True), (own, 30, special, "purchase", True),
             (own, 31, special, "purchase", False), (both - tick, 31, special, "signup", False),
             (both, 120, special, "signup", True), (both, 121, special, "signup", False),
             (ended - tick, 31, special, "purchase", False), (ended, 60, special, "purchase", True),
             (ended, 61, special, "purchase", False)]
    made = [(path_of(world, new_id(), at, minutes, campaign, kind_of), case)
            for case, (at, minutes, campaign, kind_of, _) in enumerate(cases) for _ in range(8)]
    found = earned(world, [conversion for conversion, _ in made])
    wrong = {case for (_, case), is_earned in zip(made, found) if is_earned != cases[case][4]}
    assert not wrong, [cases[case] for case in sorted(wrong)]
    done = world.run("reconcile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_models_in_use(world):
    """The credits of a conversion before, and one at the date."""
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    date = moment(added(server, MODELS, first_percent=10, last_percent=70, path_max=3)["valid_from"])
    campaign, expected = new_id(), {}
    for at, credits in ((date - datetime.timedelta(milliseconds=1), [400_000, 100_000, 100_000, 400_000]),
                        (date, [100_000, 200_000, 700_000])):
        user = new_id()
        for minutes in (40, 30, 20):
            world.produce_event("click", {"click_id": new_id(), "campaign_id": campaign, "user_id": user, "source": "mail",
                                          "click_date": rfc3339(at - datetime.timedelta(minutes=minutes))})
        expected[path_of(world, user, at, 10, campaign)] = credits
    world.wait_processed()
    for conversion, credits in expected.items():
        assert [row[0] for row in world.sql(
            "SELECT credit FROM conversion_credits WHERE conversion_id = %s AND model = 'position_based'"
            " AND NOT is_extra ORDER BY place", conversion)] == credits


def test_a_batch_that_began_before(world):
    """A change waits for batches that may have read the old settings, and is dated by the clock after that."""
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    db = world.db()
    db.execute("BEGIN")
    db.execute("SELECT pg_advisory_xact_lock_shared(hashtext('journal_state'))")  # as fence_lock.sql
    with concurrent.futures.ThreadPoolExecutor() as pool:
        change = pool.submit(added, server, WINDOWS, lookback_minutes=5, type="t")
        eventually(lambda: world.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"
                                     " AND datname = current_database()"))
        held = now()
        eventually(lambda: now() > held + datetime.timedelta(seconds=0.3))
        assert not change.done()
        released = now()
        db.execute("COMMIT")
        row = change.result(30 * SLOW)
    assert moment(row["valid_from"]) + datetime.timedelta(milliseconds=1) >= released + AHEAD


def test_concurrent_changes_lose_nothing(world):
    """Many at once, through two processes: each setting is there, and the last models hold all of them."""
    servers = [world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS, QUERY_TIMEOUT_MS=60000) for _ in range(2)]
    campaign = campaign_of(servers[0])["campaign_id"]
    fields = [{"first_percent": 1}, {"last_percent": 2}, {"half_life_minutes": 3}, {"path_max": 4}, {"narrow": True},
              {"direct_sources": ["x"]}]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        jobs = [pool.submit(added, servers[i % 2], WINDOWS, type=f"t{i // 4}", lookback_minutes=i + 1) for i in range(32)]
        jobs += [pool.submit(added, servers[i % 2], MODELS, **field) for i, field in enumerate(fields)]
        patches = [pool.submit(call, servers[i % 2], "PATCH", f"{CAMPAIGNS}/{campaign}",
                               json={"windows": [{"type": f"p{i}", "lookback_minutes": i + 1}]}) for i in range(8)]
        rows = [job.result() for job in jobs]
        assert all(patch.result().status_code == 200 for patch in patches)
    stored = listed(servers[0], WINDOWS)
    assert all(row in stored for row in rows[:32])
    last = listed(servers[1], MODELS)[-1]
    assert {key: last[key] for field in fields for key in field} == {key: v for field in fields for key, v in field.items()}
    assert {(row["type"], row["lookback_minutes"]) for row in listed(servers[1], WINDOWS, campaign_id=campaign)} == {
        (f"p{i}", i + 1) for i in range(8)}


# --- starts ----------------------------------------------------------------------------------------

def test_the_environment_sets_only_what_is_first(world):
    """A restart keeps what was set; a changed environment is only warned of."""
    options = {"FUTURE_LIMIT_MS": FUTURE_LIMIT_MS, "CLICK_EVENT_TIME_WINDOW_HOURS": 12, "ATTRIBUTION_PATH_MAX": 50}
    server = world.serve(**options)
    added(server, WINDOWS, lookback_minutes=90)
    added(server, MODELS, path_max=7)
    windows, models = listed(server, WINDOWS), listed(server, MODELS)
    assert [row["lookback_minutes"] for row in windows] == [720, 90]
    assert [row["path_max"] for row in models] == [50, 7]
    assert server.stop() == 0 and "has no effect" not in server.log()

    def restarted(warned, **changed):
        again = world.serve(**{**options, **changed})
        assert (listed(again, WINDOWS), listed(again, MODELS)) == (windows, models)
        assert again.stop() == 0
        warnings = [line for line in again.log().splitlines() if "has no effect" in line]
        assert len(warnings) == len(warned) and all(w in line for w, line in zip(warned, warnings)), again.log()
        assert all("POST /api/settings/" in line for line in warnings)

    restarted([])
    restarted(["CLICK_EVENT_TIME_WINDOW_HOURS", "ATTRIBUTION_"], CLICK_EVENT_TIME_WINDOW_HOURS=13, ATTRIBUTION_PATH_MAX=51)
    restarted([], ATTRIBUTION_PATH_MAX=7)       # says what was set last
    restarted(["ATTRIBUTION_"], ATTRIBUTION_NARROW="true")


# --- campaigns -------------------------------------------------------------------------------------

def test_windows_of_campaigns(world):
    """Created with windows, changed by PATCH and beside it, shown by every process."""
    servers = [world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS) for _ in range(2)]
    made = campaign_of(servers[0], windows=[{"lookback_minutes": 4320}, {"type": "signup", "lookback_minutes": 60}])
    at = f"{CAMPAIGNS}/{made['campaign_id']}"
    date = made["windows"][0]["valid_from"]
    assert made["revision"] == 1 and moment(date) <= now() + AHEAD
    assert made["windows"] == [
        {"type": None, "lookback_minutes": 4320, "valid_from": date, "state": "coming"},
        {"type": "signup", "lookback_minutes": 60, "valid_from": date, "state": "coming"}]
    eventually(lambda: servers[1].get(at).json() == made, 1)
    assert listed(servers[1], WINDOWS, campaign_id=made["campaign_id"]) == [
        window(made["campaign_id"], w["type"], w["lookback_minutes"], date, "coming") for w in made["windows"]]

    # What a PATCH does not name stays, null ends a window, and the same again adds nothing.
    changed = call(servers[1], "PATCH", at, json={"windows": [{"type": "signup", "lookback_minutes": None}], "name": "m"},
                   headers={"If-Match": '"1"'})
    assert changed.status_code == 200 and changed.headers["ETag"] == '"2"', changed.text
    body = changed.json()
    assert body["windows"][:2] == made["windows"] and body["name"] == "m"
    assert (body["windows"][2]["type"], body["windows"][2]["lookback_minutes"]) == ("signup", None)
    assert moment(body["windows"][2]["valid_from"]) > moment(date) and len(body["windows"]) == 3
    again = call(servers[0], "PATCH", at, json={"windows": [{"type": "signup", "lookback_minutes": None},
                                                            {"type": None, "lookback_minutes": 4320}]})
    assert again.json()["windows"] == body["windows"] and again.json()["revision"] == 3
    error_of(call(servers[0], "PATCH", at, json={"windows": [{"lookback_minutes": 5}]}, headers={"If-Match": '"1"'}),
             412, "precondition_failed", None)
    error_of(call(servers[0], "PATCH", f"{CAMPAIGNS}/{new_id()}", json={"windows": [{"lookback_minutes": 5}]}),
             404, "unknown_campaign", "campaign_id")
    for bad in (None, {}, [{}], [{"lookback_minutes": 0}], [{"lookback_minutes": 1}, {"type": None, "lookback_minutes": 2}]):
        error_of(call(servers[0], "PATCH", at, json={"windows": bad}), 400, "invalid_field", "windows")
    assert servers[0].get(at).json() == again.json()

    # A window that is added or taken away by itself shows, too.
    row = added(servers[0], WINDOWS, campaign_id=made["campaign_id"], type="x", lookback_minutes=7)
    shown = {key: row[key] for key in ("type", "lookback_minutes", "valid_from", "state")}
    for server in servers:
        eventually(lambda: shown in server.get(at).json()["windows"], 1)
    assert taken_away(servers[1], WINDOWS, row).status_code == 200
    for server in servers:
        eventually(lambda: shown not in server.get(at).json()["windows"], 1)
        assert shown not in server.get(CAMPAIGNS).json()["data"][0]["windows"]

    # In force, replaced, ended: by the clock.
    world.sql("UPDATE attribution_windows SET valid_from = valid_from - interval '10 minutes'")
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    eventually(lambda: server.get(at).json()["windows"] == [
        {**made["windows"][0], "valid_from": rfc3339(moment(date) - datetime.timedelta(minutes=10)), "state": "in_force"}])


def test_a_conflicting_create_sets_no_windows(server):
    made = campaign_of(server)
    error_of(server.post(CAMPAIGNS, {"name": "n", "campaign_id": made["campaign_id"],
                                     "windows": [{"lookback_minutes": 5}]}), 409, "conflict", "campaign_id")
    assert listed(server, WINDOWS, campaign_id=made["campaign_id"]) == []


def test_postgres_is_down(world):
    server = world.serve(FUTURE_LIMIT_MS=FUTURE_LIMIT_MS)
    world.services.stop("postgres")
    for path in (WINDOWS, MODELS):
        error_of(server.get(path), 503, "unavailable", None)
    error_of(server.post(WINDOWS, {"lookback_minutes": 5}), 503, "unavailable", None)
    world.services.start("postgres")
    eventually(lambda: listed(server, WINDOWS) == [ALWAYS], 30)
    assert added(server, WINDOWS, lookback_minutes=5)["lookback_minutes"] == 5
