"""The first minutes with the program: the quick start, the reference's routes, bodies and environment names."""

import datetime
import re

import pytest

from harness import SLOW, click_body, conversion_body, eventually, new_id, now, rfc3339, today

CREATED = {"click": "Click event created successfully", "conversion": "Conversion event created successfully"}
ROUTES = {
    "click": ("/api/events/click", "/api/clicks"),
    "conversion": ("/api/events/conversion", "/api/conversions"),
    "statistics": ("/api/campaigns/statistics", "/api/campaign-statistics"),
    "journal": ("/api/campaigns/journal", "/api/calculate-yesterday-metrics"),
}
OLD_NAMES = {
    "KAFKA_URL": "KAFKA_BROKER_URL", "KAFKA_CLICK_TOPIC": "KAFKA_CLICK_EVENT_TOPIC",
    "KAFKA_CONVERSION_TOPIC": "KAFKA_CONVERSION_EVENT_TOPIC", "DB_SSLMODE": "DB_SSL_MODE",
    "DB_USER": "POSTGRES_USER", "DB_PASSWORD": "POSTGRES_PASSWORD", "DB_NAME": "POSTGRES_DB",
}

# The bodies of the reference's test.http and k6 scripts.
REFERENCE = [
    ("click", {"campaign_id": "550e8400-e29b-41d4-a716-446655440000", "source": "google",
               "user_id": "550e8400-e29b-41d4-a716-446655440001", "click_date": "2025-09-21T00:30:00Z"}),
    ("conversion", {"campaign_id": "550e8400-e29b-41d4-a716-446655440000", "source": "google", "type": "purchase",
                    "user_id": "550e8400-e29b-41d4-a716-446655440001", "conversion_date": "2025-09-21T00:34:00Z",
                    "value": 99.99}),
    ("click", {"click_id": "123e4567-e89b-12d3-a456-426614174000", "source": "google",
               "campaign_id": "550e8400-e29b-41d4-a716-446655440000",
               "user_id": "550e8400-e29b-41d4-a716-446655440001", "click_date": "2024-01-15T10:35:00Z"}),
    ("conversion", {"conversion_id": "550e8400-e29b-41d4-a716-446655440001", "source": "google", "type": "purchase",
                    "campaign_id": "550e8400-e29b-41d4-a716-446655440000", "value": 149.99,
                    "user_id": "550e8400-e29b-41d4-a716-446655440001", "conversion_date": "2025-09-21T00:36:00Z"}),
    ("click", {"click_id": "", "campaign_id": "550e8400-e29b-41d4-a716-446655440002", "source": "facebook",
               "user_id": "550e8400-e29b-41d4-a716-446655440003", "click_date": "2024-09-20T21:30:00+07:00"}),
    ("conversion", {"campaign_id": "550e8400-e29b-41d4-a716-446655440002", "source": "facebook", "type": "signup",
                    "user_id": "550e8400-e29b-41d4-a716-446655440003", "conversion_date": "2024-09-20T15:00:00Z",
                    "value": 0}),
    ("conversion", {"campaign_id": "550e8400-e29b-41d4-a716-446655440002", "source": "facebook", "type": "signup",
                    "user_id": "550e8400-e29b-41d4-a716-446655440004", "conversion_date": "2024-09-20T12:00:00-03:00",
                    "value": 123.45678901234567}),
]


@pytest.fixture(scope="module")
def server(module_world):
    """One program for the tests that need no settings of their own."""
    started = module_world.serve()
    started.click()
    module_world.wait_processed()  # partitions are assigned, connections are open
    return started


def row_of(statistics, period):
    """The row of a period; None if there is none."""
    rows = [row for row in statistics["data"] if row["period"] == period]
    assert len(rows) <= 1, statistics
    return rows[0] if rows else None


def row(period, clicks, conversions, value, rate, unattributed=0, unattributed_value="0.00"):
    """A row as it should be."""
    return {"period": period, "total_clicks": clicks, "total_conversions": conversions, "total_value": value,
            "conversion_rate": rate, "unattributed_conversions": unattributed,
            "unattributed_value": unattributed_value}


def test_counts_show_within_a_second(server):
    """A click and the conversion it earns show in the statistics within a second of their 201."""
    campaign, user, when = new_id(), new_id(), now()
    server.click(campaign_id=campaign, user_id=user, click_date=rfc3339(when))
    server.conversion(campaign_id=campaign, user_id=user, conversion_date=rfc3339(when), value=149.99)
    wanted = row(when.strftime("%Y-%m-%d"), 1, 1, "149.99", 100)
    # the campaign is new, so that 404 is an answer too until then
    eventually(lambda: row_of(server.statistics(campaign), wanted["period"]) == wanted, 1)
    statistics = server.statistics(campaign)
    assert list(statistics)[:3] == ["campaign_id", "group_by", "data"]
    assert (statistics["campaign_id"], statistics["group_by"]) == (campaign, "daily")


def test_an_existing_campaign_moves_on_within_a_second(server):
    """Each further event of a campaign that was asked for before shows within a second as well."""
    campaign, when = new_id(), now()
    period = when.strftime("%Y-%m-%d")
    for count in range(1, 6):
        server.click(campaign_id=campaign, click_date=rfc3339(when))
        wanted = row(period, count, 0, "0.00", 0)
        eventually(lambda: row_of(server.statistics(campaign), period) == wanted, 1, f"{count} clicks")


@pytest.mark.parametrize("names", [0, 1], ids=["readme", "code"])
def test_both_sets_of_routes(module_world, server, names):
    """The routes of the reference's README and those of its code do the same."""
    campaign, user = new_id(), new_id()
    click = click_body(campaign_id=campaign, user_id=user)
    conversion = conversion_body(campaign_id=campaign, user_id=user, value=5)
    for kind, body in (("click", click), ("conversion", conversion)):
        response = server.post(ROUTES[kind][names], body)
        assert response.status_code == 201
        assert response.json()["message"] == CREATED[kind]
    module_world.wait_processed()
    response = server.get(ROUTES["statistics"][names], campaign_id=campaign, group_by="daily")
    assert response.status_code == 200
    assert row_of(response.json(), click["click_date"][:10])["total_conversions"] == 1
    response = server.post(ROUTES["journal"][names])
    assert response.status_code == 200
    assert response.json()["status"] == "success"


def test_the_references_bodies(module_world, server):
    """What the reference's own requests hold is accepted, answered as there, and stored as it was meant."""
    ids = []
    for index, (kind, body) in enumerate(REFERENCE):
        response = server.post(ROUTES[kind][index % 2], body)
        assert response.status_code == 201, f"{body}: {response.text}"
        assert response.headers["Content-Type"] == "application/json"
        answer = response.json()
        key = kind + "_id"
        ids.append(answer[key])
        assert answer == {key: body.get(key) or answer[key], "message": CREATED[kind], "status": "success"}
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer[key])
        if not body.get(key):
            assert answer[key][14] == "7", "an id that is given is a UUIDv7"
    module_world.wait_processed()
    stored = {str(event): (when, value) for event, when, value in module_world.sql(
        "SELECT click_id, click_date, NULL FROM click_events WHERE click_id = ANY(%s::uuid[]) UNION ALL "
        "SELECT conversion_id, conversion_date, value_minor FROM conversion_events "
        "WHERE conversion_id = ANY(%s::uuid[])", ids, ids)}
    values = [None, 9999, None, 14999, None, 0, 12346]
    for event, (kind, body), value in zip(ids, REFERENCE, values):
        assert stored[event] == (datetime.datetime.fromisoformat(body[kind + "_date"]), value), body


def test_no_group_is_daily_and_no_campaign_is_404(server):
    """Without group_by the answer is by day, and a campaign nobody has seen is 404."""
    campaign = new_id()
    server.click(campaign_id=campaign)
    eventually(lambda: server.get(ROUTES["statistics"][1], campaign_id=campaign).json()["group_by"] == "daily", 5)
    response = server.get(ROUTES["statistics"][0], campaign_id=new_id())
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_campaign"


def test_journal_of_yesterday(module_world, server):
    """POST of the journal without a body answers as the reference does, and twice makes no second row."""
    campaign, user = new_id(), new_id()
    yesterday = now() - datetime.timedelta(days=1)
    server.click(campaign_id=campaign, user_id=user, click_date=rfc3339(yesterday))
    server.conversion(campaign_id=campaign, user_id=user, conversion_date=rfc3339(yesterday), value="7.50")
    module_world.wait_processed()
    for _ in range(2):
        response = server.post(ROUTES["journal"][1], headers={"Content-Type": "application/json"})
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["message"] == "Yesterday metrics calculated and saved successfully"
        assert answer["status"] == "success"
    day = yesterday.strftime("%Y-%m-%d")
    assert module_world.sql("SELECT clicks, conversions, value_minor FROM campaign_journals "
                            "WHERE campaign_id = %s AND day = %s::date", campaign, day) == [(1, 1, 750)]
    assert row_of(server.statistics(campaign), day) == row(day, 1, 1, "7.50", 100)


def test_weeks_and_months_include_today(module_world, server):
    """Weekly and monthly statistics hold today, and add up to what the event tables hold."""
    campaign, start = new_id(), now()
    for days in (0, 0, 1, 2, 3, 5, 8, 13, 20, 27):
        user, when = new_id(), rfc3339(start - datetime.timedelta(days=days))
        server.click(campaign_id=campaign, user_id=user, click_date=when)
        server.conversion(campaign_id=campaign, user_id=user, conversion_date=when, value=f"{days}.25")
    server.conversion(campaign_id=campaign, conversion_date=rfc3339(start), value=3)  # nobody's
    module_world.wait_processed()
    days = module_world.recount(campaign)
    assert sum(counts[0] for counts in days.values()) == 10

    def monday(day):
        date = datetime.date.fromisoformat(day)
        return str(date - datetime.timedelta(days=date.weekday()))

    for group_by, period_of in (("daily", str), ("weekly", monday), ("monthly", lambda day: day[:7])):
        sums = {}
        for day, counts in days.items():
            so_far = sums.setdefault(period_of(day), [0] * 5)
            sums[period_of(day)] = [a + b for a, b in zip(so_far, counts)]

        def matches():
            rows = server.statistics(campaign, group_by=group_by)["data"]
            assert [r["period"] for r in rows] == sorted((r["period"] for r in rows), reverse=True)
            for period, (clicks, conversions, value, rest, rest_value) in sums.items():
                found = row_of({"data": rows}, period)
                assert found is not None, f"no row of {period} in {rows}"
                rate = found["conversion_rate"]
                assert found == row(period, clicks, conversions, f"{value / 100:.2f}", rate, rest,
                                    f"{rest_value / 100:.2f}")
                assert abs(rate - 100 * conversions / clicks) < 1e-9
            assert sum(r["total_clicks"] for r in rows) == 10
            return True

        eventually(matches, 2, group_by)
    assert period_of(today()) in sums


def test_the_references_environment(world):
    """The environment names of the reference's code work in the place of those of its README."""
    for name, old in OLD_NAMES.items():
        world.env[old] = world.env.pop(name)
    server = world.serve()
    campaign = new_id()
    server.click(campaign_id=campaign)
    world.wait_processed()
    assert row_of(server.statistics(campaign), today())["total_clicks"] == 1


def test_env_file(world):
    """Options come from a file .env where the program starts, and the environment wins over it."""
    world.migrate()
    names = [name for name in world.env if name != "HTTP_WORKERS"]
    lines = ["# settings", "HTTP_WORKERS=7", "", "export LOG_LEVEL='debug' # loud"]
    lines += [f'{name}="{world.env[name]}"' if i % 2 else f"{name} = {world.env[name]}"
              for i, name in enumerate(names) if name != "LOG_LEVEL"]
    server = world.serve(env_file="\n".join(lines), HTTP_WORKERS=9, **{name: None for name in names})
    assert "HTTP_WORKERS=9 " in server.log() and "LOG_LEVEL=debug " in server.log(), server.tail()
    server.click()
    world.wait_processed()
    assert sum(world.end_offsets("click")) == 1


def test_broken_env_file_is_named(world):
    """A line of .env that cannot be read stops the program with the file and the line's number."""
    (world.dir / ".env").write_text("LOG_LEVEL=info\nnonsense\n", encoding="utf-8")
    done = world.run("check-config")
    assert done.returncode != 0
    assert ".env" in done.stderr and "line 2" in done.stderr


def test_stops_quickly_when_idle(world):
    """A program that has nothing to do ends within seconds of TERM, with 0."""
    server = world.serve()
    server.click()  # leaves a keep-alive connection open
    started = now()
    server.signal(15)
    assert server.wait_exit(10) == 0, server.tail()
    assert now() - started < datetime.timedelta(seconds=8 * SLOW)
