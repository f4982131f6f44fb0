"""
The spool against real services: events are accepted while Kafka is away, and reach it afterwards, once each.
"""

import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

from harness import BINARY, SLOW, clean_env, click_body, conversion_body, eventually, new_id, now, requests, rfc3339

# On a slow machine the default of half a second is not about Kafka.
STALL = {"KAFKA_STALL_MS": int(300 * SLOW)}


def stored(world):
    """How often each click is stored."""
    return {str(row[0]): row[1] for row in world.sql("SELECT click_id, count(*) FROM click_events GROUP BY 1")}


def offer(server, seconds, threads=4):
    """Send clicks for some time; their ids by answer, and the longest wait."""
    ids, waits, lock = {}, [], threading.Lock()

    def run():
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            body = click_body(click_id=new_id())
            began = time.monotonic()
            status = server.post("/api/clicks", body).status_code
            with lock:
                waits.append(time.monotonic() - began)
                ids.setdefault(status, set()).add(body["click_id"])

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return ids, max(waits)


def all_stored_once(world, ids):
    """Are exactly these clicks stored, once each, and counted so?"""
    world.wait_processed()
    found = stored(world)
    assert set(found) == set(ids), (len(set(ids) - set(found)), len(set(found) - set(ids)))
    assert set(found.values()) <= {1}
    assert world.sql("SELECT sum(clicks) FROM click_buckets") == [(len(found),)]
    return True


@pytest.mark.parametrize("how", ["STOP", "KILL"])
def test_kafka_goes_and_comes_back(world, how):
    """Events go on being accepted while Kafka is halted or dead; afterwards the spool empties by itself."""
    server = world.serve(**STALL)
    before, _ = offer(server, 1)
    world.services.kill("kafka", how)
    during, longest = offer(server, 3)
    assert set(before) == set(during) == {201}, (before.keys(), during.keys())
    assert longest < 2 * SLOW, "the breaker trips in time"
    code, body = server.readyz()
    assert (code, body["status"], body["dependencies"]["kafka"]["status"]) == (200, "degraded", "down")
    samples = server.metrics()
    assert samples["tyr_spool_records"] > 0 and samples["tyr_spool_appended_total"] >= samples["tyr_spool_records"]
    if how == "STOP":
        world.services.kill("kafka", "CONT")
    else:
        world.services.start("kafka")
    eventually(lambda: server.metrics()["tyr_spool_records"] == 0, 30, "the spool is empty")
    after, _ = offer(server, 1)
    assert set(after) == {201}
    eventually(lambda: server.readyz()[1]["status"] == "ready", 30)
    all_stored_once(world, before[201] | during[201] | after[201])
    assert not list(pathlib.Path(server.env["SPOOL_DIR"]).glob("*.spool")), "no file is left"


def test_batches_and_conversions(world):
    """A body of many events, both kinds, goes through the spool whole, and attribution is right afterwards."""
    server = world.serve(**STALL)
    campaign, user, when = new_id(), new_id(), now()
    server.click(campaign_id=campaign)
    world.services.kill("kafka", "STOP")
    events = [{"event": "click", **click_body(campaign_id=campaign, user_id=user, click_date=rfc3339(when))}]
    events += [{"event": "click", **click_body(campaign_id=campaign)} for _ in range(500)]
    events += [{"event": "conversion", **conversion_body(campaign_id=campaign, user_id=user, value="12.50",
                                                         conversion_date=rfc3339(when))}]
    answer = server.batch(events)
    assert (answer["accepted"], answer["rejected"], answer["retry"]) == (502, 0, 0)
    world.services.kill("kafka", "CONT")
    world.wait_processed()
    assert world.recount(campaign) == {rfc3339(when)[:10]: (502, 1, 1250, 0, 0)}


def test_killed_with_a_full_spool(world):
    """A process killed while Kafka is down loses nothing: the next one with its folder drains it."""
    server = world.serve(**STALL)
    world.services.kill("kafka", "STOP")
    during, _ = offer(server, 2)
    server.kill()
    world.services.kill("kafka", "CONT")
    again = world.serve(**STALL)
    assert again.env["SPOOL_DIR"] == server.env["SPOOL_DIR"]
    all_stored_once(world, during[201])


def test_stopped_with_a_full_spool(world):
    """A graceful stop while Kafka is down ends with 0 in time; the next start drains what was left."""
    server = world.serve(SHUTDOWN_TIMEOUT_MS=int(12000 * SLOW), **STALL)
    world.services.kill("kafka", "STOP")
    during, _ = offer(server, 2)
    began = time.monotonic()
    assert server.stop(timeout=14) == 0, server.tail()
    assert time.monotonic() - began < 12 * SLOW
    world.services.kill("kafka", "CONT")
    world.serve(**STALL)
    all_stored_once(world, during[201])


def test_bounds_are_kept(world):
    """Beyond SPOOL_MAX_BYTES events are 503 with their ids, /readyz says so, and nothing that was 201 is lost."""
    server = world.serve(SPOOL_MAX_BYTES=65536, **STALL)
    world.services.kill("kafka", "STOP")
    kept, refused = set(), set()
    while not refused:
        answer = server.batch([{"event": "click", **click_body()} for _ in range(100)])
        for result in answer["results"]:
            (kept if result["status"] == "accepted" else refused).add(result["id"])
    assert 100 < len(kept) < 400
    lonely = server.post("/api/clicks", click_body(source="x" * 255))
    assert lonely.status_code == 503 and lonely.json()["click_id"], lonely.text
    eventually(lambda: server.readyz()[0] == 503, 5)
    assert server.readyz()[1]["dependencies"]["spool"]["status"] == "full"
    assert server.metrics()["tyr_spool_refused_total"] == len(refused) + 1
    world.services.kill("kafka", "CONT")
    eventually(lambda: server.readyz()[1]["status"] == "ready", 30)
    world.wait_processed()
    found = stored(world)
    assert kept <= set(found) and set(found.values()) == {1}


def test_a_folder_belongs_to_one_process(world):
    """A second process on the same folder does not start, and says why."""
    server = world.serve()
    done = subprocess.run([BINARY, "serve"], env=clean_env({**server.env, "HTTP_LISTEN": "127.0.0.1:1",
                                                            "ADMIN_LISTEN": "127.0.0.1:2"}),
                          cwd=server.cwd, capture_output=True, text=True, timeout=60 * SLOW, check=False)
    assert done.returncode == 1 and "another process uses the spool" in done.stderr, done.stderr
    assert server.click()


def test_a_waiting_request_is_answered_from_the_spool(world):
    """A request that was already with Kafka when it went is answered 201 within a second or so, not after a timeout."""
    server = world.serve(**STALL)
    server.click()
    os.kill(server.pid, signal.SIGSTOP)
    world.services.kill("kafka", "STOP")
    os.kill(server.pid, signal.SIGCONT)
    began = time.monotonic()
    body = click_body(click_id=new_id())
    response = requests.post(server.url + "/api/clicks", json=body, timeout=30)
    assert response.status_code == 201
    assert time.monotonic() - began < 1.5 * SLOW
    world.services.kill("kafka", "CONT")
    world.wait_processed()
    assert stored(world)[body["click_id"]] == 1
