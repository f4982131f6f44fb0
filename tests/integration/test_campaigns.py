"""Campaigns: created, listed, read and changed over HTTP, and seen by every process within a second."""

import concurrent.futures
import contextlib
import threading
import time
import uuid

import pytest
import requests

from harness import SLOW, eventually, new_id, rfc3339, now

PATH = "/api/campaigns"
SEEN_S = 1                      # how soon every process shows a change
MANY = 3000


def call(server, method, path, **kwargs):
    """Any method; the response."""
    return server.session().request(method, server.url + path, timeout=30 * SLOW, **kwargs)


def create(server, **fields):
    """A campaign that is created; what the answer says of it."""
    response = server.post(PATH, {"name": "Spring sale", **fields})
    assert response.status_code == 201, response.text
    return response.json()


def patch(server, campaign_id, body, **headers):
    return call(server, "PATCH", f"{PATH}/{campaign_id}", json=body,
                headers={name.replace("_", "-"): value for name, value in headers.items()})


def read(server, campaign_id):
    """A campaign that is there."""
    response = server.get(f"{PATH}/{campaign_id}")
    assert response.status_code == 200, response.text
    return response.json()


def error_of(response, status, code, field):
    """The message of an error, which must be this one."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["status"] == "error"
    assert (body["error"]["code"], body["error"]["field"]) == (code, field), body
    return body["error"]["message"]


def pages(server, limit, **params):
    """Every campaign of a list, page by page."""
    found, cursor = [], None
    while True:
        response = server.get(PATH, limit=limit, **params, **({"cursor": cursor} if cursor else {}))
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["data"]) == limit or page["next_cursor"] is None
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


@pytest.fixture(scope="module")
def server(module_world):
    """One for the tests that do not disturb each other."""
    return module_world.serve()


# --- one process -----------------------------------------------------------------------------------

def test_create_read_change(server):
    """What was written is read, at once; what a PATCH leaves out stays; null removes what may be removed."""
    response = server.post(PATH, {"name": "Ünter \"x\" 中", "target_url": "https://shop.example/a?b={click}",
                                  "tags": ["b", "a"], "status": "paused"})
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["Location"] == f"{PATH}/{made['campaign_id']}"
    assert response.headers["ETag"] == '"1"'
    assert uuid.UUID(made["campaign_id"]).version == 7
    assert set(made) == {"campaign_id", "name", "status", "target_url", "tags", "windows", "created_at", "updated_at",
                         "revision"}
    assert (made["name"], made["status"], made["tags"]) == ("Ünter \"x\" 中", "paused", ["b", "a"])
    assert read(server, made["campaign_id"]) == made
    assert read(server, made["campaign_id"].upper()) == made

    changed = patch(server, made["campaign_id"], {"status": "active", "target_url": None})
    assert changed.status_code == 200 and changed.headers["ETag"] == '"2"', changed.text
    expected = {**made, "status": "active", "target_url": None, "revision": 2,
                "updated_at": changed.json()["updated_at"]}
    assert changed.json() == expected and expected["updated_at"] >= made["updated_at"]
    assert read(server, made["campaign_id"]) == expected
    patch(server, made["campaign_id"], {"tags": None})
    assert read(server, made["campaign_id"])["tags"] == []

    head = call(server, "HEAD", f"{PATH}/{made['campaign_id']}")
    assert head.status_code == 200 and head.headers["ETag"] == '"3"' and head.content == b""


def test_chosen_id(server):
    """An id may be chosen, once; an id that an event registered is changed, not created."""
    chosen = new_id()
    assert create(server, campaign_id=chosen.upper())["campaign_id"] == chosen
    assert "PATCH" in error_of(server.post(PATH, {"name": "n", "campaign_id": chosen}), 409, "conflict", "campaign_id")
    assert create(server, campaign_id=None)["campaign_id"] != create(server, campaign_id="")["campaign_id"]


def test_if_match(server):
    """A PATCH for another revision changes nothing."""
    made = create(server)
    at = made["campaign_id"]
    assert patch(server, at, {"name": "second"}, If_Match='"1"').status_code == 200
    error_of(patch(server, at, {"name": "third"}, If_Match='"1"'), 412, "precondition_failed", None)
    error_of(patch(server, at, {"name": "third"}, If_Match='W/"2"'), 412, "precondition_failed", None)
    error_of(patch(server, at, {"name": "third"}, If_Match="2"), 400, "bad_request", None)
    assert read(server, at)["name"] == "second"
    assert patch(server, at, {"name": "third"}, If_Match="*").status_code == 200
    error_of(patch(server, new_id(), {"name": "x"}, If_Match='"1"'), 404, "unknown_campaign", "campaign_id")


@pytest.mark.parametrize("body, code, field", [
    ({}, "missing_field", "name"),
    ({"name": "x" * 256}, "invalid_field", "name"),
    ({"name": "n", "colour": 1}, "invalid_field", "colour"),
    ({"name": "n", "windows": [{"lookback_minutes": 0}]}, "invalid_field", "windows"),
    ({"name": "n", "campaign_id": "x"}, "invalid_field", "campaign_id"),
    ({"name": "n", "status": "gone"}, "invalid_field", "status"),
    ({"name": "n", "target_url": "javascript:alert(1)"}, "invalid_field", "target_url"),
    ({"name": "n", "target_url": "http://h/" + "x" * 2040}, "invalid_field", "target_url"),
    ({"name": "n", "tags": ["t"] * 2}, "invalid_field", "tags"),
    ({"name": "n", "tags": [f"t{i}" for i in range(33)]}, "invalid_field", "tags"),
    ('{"name": "n", "name": "m"}', "duplicate_field", "name"),
    ("[]", "invalid_json", None),
    ("{", "invalid_json", None),
])
def test_bad_bodies(server, body, code, field):
    """The error names the field, and nothing is stored."""
    before = len(pages(server, 1000))
    message = error_of(server.post(PATH, body), 400, code, field)
    assert field is None or message.startswith(field + ": ")
    assert len(pages(server, 1000)) == before


def test_paths_and_methods(server):
    """A static path wins over an id; what is wrong in between gets a clear error."""
    made = create(server)
    error_of(server.get(f"{PATH}/{new_id()}"), 404, "unknown_campaign", "campaign_id")
    error_of(server.get(PATH + "/none"), 400, "invalid_field", "campaign_id")
    error_of(server.get(PATH + "/{id}"), 400, "invalid_field", "campaign_id")
    error_of(server.get(f"{PATH}/"), 404, "not_found", None)
    error_of(server.get(f"{PATH}/{made['campaign_id']}/x"), 404, "not_found", None)
    error_of(server.get(PATH + "/statistics"), 400, "missing_field", "campaign_id")
    error_of(server.get(PATH + "/journal"), 405, "method_not_allowed", None)
    for path, allowed in ((PATH, "GET, HEAD, POST"), (f"{PATH}/{made['campaign_id']}", "GET, HEAD, PATCH")):
        for method in ("DELETE", "PUT"):
            response = call(server, method, path)
            error_of(response, 405, "method_not_allowed", None)
            assert response.headers["Allow"] == allowed
    error_of(patch(server, made["campaign_id"], {"campaign_id": new_id()}), 400, "invalid_field", "campaign_id")
    too_long = server.post(PATH, '{"name": "' + "x" * 70000 + '"}')
    error_of(too_long, 413, "too_large", None)
    form = call(server, "POST", PATH, data={"name": "x"})
    error_of(form, 415, "unsupported_media_type", None)
    for query in ({"limit": 0}, {"cursor": "x"}, {"status": "x"}, {"offset": 1}):
        error_of(server.get(PATH, **query), 400, "invalid_field", next(iter(query)))


# --- lists -----------------------------------------------------------------------------------------

def fill(world, n):
    """Campaigns of a minute ago by somebody else, in several statements so that they have times of their own."""
    with world.db() as pg:
        for first in range(0, n, 500):
            pg.execute(
                "INSERT INTO campaigns (campaign_id, name, status, tags, created_at)"
                " SELECT gen_random_uuid(), 'Bulk ' || to_char(i, 'FM00000') || CASE WHEN i %% 10 = 0 THEN ' Äpfel' ELSE '' END,"
                "   CASE WHEN i %% 3 = 0 THEN 'paused' ELSE 'active' END, ARRAY['t' || i %% 7],"
                "   now() - interval '1 minute' + i * interval '1 ms'"
                " FROM generate_series(%s::int, %s::int) i", (first, min(first + 500, n) - 1))


def test_paging_and_search(world):
    """Pages hold every campaign once, newest first, also while others are written; filters count right."""
    server = world.serve()
    fill(world, MANY)
    eventually(lambda: server.metrics()["tyr_registry_campaigns"] == MANY, SEEN_S)
    found = pages(server, 137)
    rows = world.sql("SELECT campaign_id::text FROM campaigns ORDER BY created_at DESC, campaign_id DESC")
    assert [c["campaign_id"] for c in found] == [row[0] for row in rows]
    assert len(server.get(PATH).json()["data"]) == 100

    assert len(pages(server, 100, search="bulk 0123")) == 10
    assert len(pages(server, 1000, search="äPFEL")) == MANY // 10
    assert len(pages(server, 1000, status="paused")) == MANY // 3
    assert len(pages(server, 1000, tag="t3")) == sum(i % 7 == 3 for i in range(MANY))
    both = pages(server, 50, tag="t3", status="paused", search="äpfel")
    assert len(both) == sum(i % 7 == 3 and i % 3 == 0 and i % 10 == 0 for i in range(MANY))
    assert [c["campaign_id"] for c in pages(server, 1, search=found[5]["campaign_id"][:20])] == [found[5]["campaign_id"]]
    assert pages(server, 1, search="nothing like it") == []

    first = server.get(PATH, limit=1000).json()
    newer = create(server, name="newer")
    world.sql("DELETE FROM campaigns WHERE campaign_id = %s", first["data"][-1]["campaign_id"])
    rest = server.get(PATH, limit=1000, cursor=first["next_cursor"]).json()["data"]
    assert [c["campaign_id"] for c in rest] == [row[0] for row in rows[1000:2000]]
    assert server.get(PATH, limit=1).json()["data"][0]["campaign_id"] in (newer["campaign_id"], found[0]["campaign_id"])


# --- several processes -----------------------------------------------------------------------------

class Watcher:
    """Reads a campaign from a process again and again, and notes when each name was first seen."""

    def __init__(self, server, campaign_id):
        self.server = server
        self.campaign_id = campaign_id
        self.seen = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        while not self._stop.is_set():
            with contextlib.suppress(requests.RequestException, AssertionError):
                name = read(self.server, self.campaign_id)["name"]
                self.seen.setdefault(name, time.monotonic())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def server_lists(server, campaign_id):
    """Is it in the registry of this process?"""
    return campaign_id in [c["campaign_id"] for c in pages(server, 1000)]


def delays(writer, reader, names):
    """How long after its answer each change was seen by the other process."""
    campaign_id = create(writer)["campaign_id"]
    # Until the other process lists it, it asks PostgreSQL, and shows changes at once.
    eventually(lambda: server_lists(reader, campaign_id), SEEN_S)
    took = []
    with Watcher(reader, campaign_id) as watcher:
        for name in names:
            response = patch(writer, campaign_id, {"name": name})
            assert response.status_code == 200, response.text
            answered = time.monotonic()
            assert read(writer, campaign_id)["name"] == name
            eventually(lambda n=name: n in watcher.seen, SEEN_S, f"the other process shows {name}")
            took.append(watcher.seen[name] - answered)
    print(f"seen after {sorted(round(t * 1000) for t in took)} ms")
    return took


def test_second_process_sees_changes(world):
    """Within a second: with notifications, without them, and while the listening connections are cut."""
    first, second = world.serve(), world.serve()
    with_notifications = delays(first, second, [f"a{i}" for i in range(20)])
    assert max(with_notifications) < SEEN_S
    assert second.metrics()["tyr_registry_notifications_total"] >= 10

    world.sql("DROP TRIGGER notify_change ON campaigns")
    told = second.metrics()["tyr_registry_notifications_total"]
    assert max(delays(first, second, [f"b{i}" for i in range(20)])) < SEEN_S
    assert second.metrics()["tyr_registry_notifications_total"] == told

    stop = threading.Event()

    def cut():
        with world.services.postgres() as pg:
            while not stop.wait(0.3):
                pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                           " WHERE datname = %s AND application_name = 'tyrattribution registrar'", (world.name,))

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        assert max(delays(first, second, [f"c{i}" for i in range(20)])) < SEEN_S
    finally:
        stop.set()
        cutter.join()


def test_out_of_order_commits_are_seen(world):
    """A transaction that began early and commits late is seen, and holds up nobody who commits before it."""
    server = world.serve()
    early, late = create(server)["campaign_id"], create(server)["campaign_id"]
    with world.db() as pg:
        pg.execute("BEGIN")
        pg.execute("UPDATE campaigns SET name = 'began early' WHERE campaign_id = %s", (early,))
        world.sql("UPDATE campaigns SET name = 'overtakes' WHERE campaign_id = %s", late)
        eventually(lambda: read(server, late)["name"] == "overtakes", SEEN_S)
        assert read(server, early)["name"] == "Spring sale"
        time.sleep(0.6)  # several looks pass over the open transaction
        pg.execute("COMMIT")
    eventually(lambda: read(server, early)["name"] == "began early", SEEN_S)


def test_concurrent_changes_lose_nothing(world):
    """Two processes and many clients: each change of another field stays, each revision is given once."""
    servers = [world.serve(), world.serve()]
    at = create(servers[0], tags=[])["campaign_id"]

    def add_tag(i):
        server = servers[i % 2]
        while True:
            seen = server.get(f"{PATH}/{at}")
            answer = patch(server, at, {"tags": seen.json()["tags"] + [f"t{i}"]}, If_Match=seen.headers["ETag"])
            if answer.status_code == 200:
                return answer.json()["revision"]
            assert answer.status_code in (412, 503), answer.text

    def set_field(i):
        body = ({"name": "last"}, {"status": "paused"}, {"target_url": "https://x.example"})[i % 3]
        answer = patch(servers[i % 2], at, body)
        assert answer.status_code == 200, answer.text
        return answer.json()["revision"]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        revisions = list(pool.map(lambda i: add_tag(i) if i < 20 else set_field(i), range(50)))
    assert sorted(revisions) == list(range(2, 52))
    expected = {"name": "last", "status": "paused", "target_url": "https://x.example", "revision": 51}
    for server in servers:
        eventually(lambda s=server: read(s, at)["revision"] == 51, SEEN_S)
        found = read(server, at)
        assert {key: found[key] for key in expected} == expected
        assert sorted(found["tags"]) == sorted(f"t{i}" for i in range(20))


# --- what events and outages do --------------------------------------------------------------------

def test_events_register_campaigns(world):
    """A campaign of an event appears, without a name, in every process, and can be given one."""
    first, second = world.serve(), world.serve()
    at = new_id()
    first.click(campaign_id=at, click_date=rfc3339(now()))
    world.wait_processed()
    eventually(lambda: server_lists(second, at), SEEN_S)
    found = read(first, at)
    assert (found["name"], found["status"], found["tags"], found["revision"]) == (None, "active", [], 1)
    error_of(first.post(PATH, {"name": "n", "campaign_id": at}), 409, "conflict", "campaign_id")
    assert patch(first, at, {"name": "named"}).json()["name"] == "named"
    first.click(campaign_id=at)
    world.wait_processed()
    assert read(first, at)["name"] == "named"


def test_creating_admits_events(world):
    """With AUTO_REGISTER_CAMPAIGNS=false events of a campaign that was created are stored."""
    server = world.serve(AUTO_REGISTER_CAMPAIGNS="false")
    at = create(server)["campaign_id"]
    server.click(campaign_id=at)
    server.click()
    world.wait_processed()
    assert world.sql("SELECT campaign_id::text FROM click_events") == [(at,)]
    assert world.sql("SELECT reason FROM dead_letters") == [("unknown_campaign",)]


def test_postgres_restarts(world):
    """Without PostgreSQL what was known is still read and writes get 503; afterwards all is as before."""
    server = world.serve(QUERY_TIMEOUT_MS="1000")
    made = create(server)
    world.services.stop("postgres")
    assert read(server, made["campaign_id"]) == made
    assert [c["campaign_id"] for c in pages(server, 10)] == [made["campaign_id"]]
    error_of(patch(server, made["campaign_id"], {"name": "x"}), 503, "unavailable", None)
    error_of(server.get(f"{PATH}/{new_id()}"), 503, "unavailable", None)
    response = server.post(PATH, {"name": "x"})
    error_of(response, 503, "unavailable", None)
    assert response.headers["Retry-After"] and uuid.UUID(response.json()["campaign_id"])
    eventually(lambda: server.metrics()["tyr_registry_age_ms"] > 500)
    world.services.start("postgres")
    eventually(lambda: patch(server, made["campaign_id"], {"name": "back"}).status_code == 200)
    world.sql("UPDATE campaigns SET name = 'by hand' WHERE campaign_id = %s", made["campaign_id"])
    eventually(lambda: read(server, made["campaign_id"])["name"] == "by hand", 5)
    world.sql("DELETE FROM campaigns")  # what is not there any more is forgotten with the next connection
    world.services.stop("postgres")
    world.services.start("postgres")
    eventually(lambda: server.get(f"{PATH}/{made['campaign_id']}").status_code == 404, 10)
