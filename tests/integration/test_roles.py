"""ROLE: the parts of the program in processes of their own give the same answers as one that does all."""

import pytest

import model
from harness import click_body, eventually, new_id
from model import Asker


def answers(server, campaigns):
    """What statistics say of the campaigns, in several ways."""
    return [server.statistics(campaign, **params)["data"] for campaign in campaigns
            for params in ({}, {"group_by": "weekly"}, {"group_by": "total", "breakdown": "source", "model": "linear"},
                           {"group_by": "hourly", "tz": "Asia/Kathmandu"})]


def test_three_processes_answer_as_one(world):
    rng = model.seeded_random()
    last_ms = model.now_ms()
    workload = model.Workload(rng, 1500, last_ms - 3 * model.MS_PER_DAY, last_ms, adjusted_share=0.1)
    ingest, process, query = (world.serve(ROLE=role) for role in ("ingest", "process", "query"))
    asker = Asker(ingest)
    for i in range(0, len(workload.events), 300):
        asker.send(workload.events[i:i + 300])
    world.wait_processed()
    reference = model.Model(workload.events)
    first = str(model.day_of(workload.first_ms))
    for campaign in reference.campaigns():
        eventually(lambda campaign=campaign: model.periods_of_answer(query.statistics(campaign, **{"from": first})) ==
                   reference.periods(campaign), 10)
    split = answers(query, reference.campaigns())
    eventually(lambda: "redis" in query.statistics(workload.campaigns[0])["sources"], 20)
    conversion = reference.conversions[0]
    assert query.get(f"/api/conversions/{conversion.id}/explain").status_code == 200
    assert len(query.get("/api/export/clicks").text.splitlines()) == len(reference.clicks)
    assert query.post("/api/campaigns/journal").status_code == 200
    for server in (ingest, process, query):
        assert server.readyz()[0] == 200 and server.readyz()[1]["status"] == "ready", server.readyz()
        assert server.stop() == 0
    assert answers(world.serve(ROLE="ingest,process,query"), reference.campaigns()) == split


@pytest.mark.parametrize("role, path, wanted", (
    ("ingest", "/api/campaigns", "query"), ("query", "/api/clicks", "ingest"), ("process", "/api/clicks", "ingest"),
    ("process", "/api/campaigns/statistics", "query")))
def test_another_process_serves_it(world, role, path, wanted):
    """It is said which role is missing."""
    server = world.serve(ROLE=role)
    response = server.post(path, click_body()) if path == "/api/clicks" else server.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found" and f"role {wanted}" in response.json()["error"]["message"]


def test_ingest_needs_neither_store_once_it_runs(world):
    """A process that only takes events has no connections to PostgreSQL or Redis, and goes on without them."""
    server = world.serve(ROLE="ingest")
    assert world.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tyrattribution%'"
                     " AND datname = current_database()") == [(0,)]
    status, body = server.readyz()
    assert (status, body["status"]) == (200, "ready")
    assert [body["dependencies"][name]["status"] for name in ("kafka", "postgres", "redis")] == ["up", "off", "off"]
    server.click(click_id=new_id())
    assert world.end_offsets("click").count(1) == 1


def test_an_unknown_role(world):
    world.migrate()
    for role in ("ingest,", "consume", "ingest,,query", "ALL"):
        done = world.run("check-config", ROLE=role)
        assert done.returncode == 1 and "expected ingest, process, query" in done.stderr, done.stderr
