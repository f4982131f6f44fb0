"""The exact text of statistics answers, beside files in golden/.

`*.reference.json` are what the Go reference answers for these events, field by field as its structs say. Its clients
ignore fields they do not know, and must find all of theirs with the same values in the same order. The other files
are our whole answers, where only the time of reading is masked. The program's clock stands in the year 2026.

To write our files anew: TYR_WRITE_GOLDEN=1, then look at the difference.
"""

import datetime
import decimal
import json
import os
import pathlib
import re

import pytest

from harness import eventually, now

GOLDEN = pathlib.Path(__file__).with_name("golden")
CAMPAIGN, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
TODAY = datetime.datetime(2026, 3, 31, 12, tzinfo=datetime.timezone.utc)

# (campaign, source, click or None, conversion or None, type, value)
EVENTS = (
    (CAMPAIGN, "google", "2026-03-31T10:00:00Z", "2026-03-31T10:05:00Z", "purchase", "149.99"),
    (CAMPAIGN, "google", "2026-03-31T10:10:00Z", None, None, None),
    (CAMPAIGN, "google", "2026-03-31T10:20:00Z", None, None, None),
    (CAMPAIGN, "news, letter", "2026-03-30T18:20:00Z", "2026-03-30T18:40:00Z", "signup", "0"),
    (CAMPAIGN, "google", None, "2026-03-30T23:50:00Z", "purchase", "20"),
    (CAMPAIGN, "google", "2026-03-29T00:59:59.999Z", "2026-03-29T01:00:00Z", "purchase", "10000000000000"),
    (CAMPAIGN, "google", "2026-03-29T01:30:00Z", None, None, None),
    (CAMPAIGN, "direct", "2026-02-10T08:00:00Z", "2026-02-10T09:00:00Z", "purchase", "0.5"),
    (OTHER, "google", "2026-03-31T09:00:00Z", None, None, None),
)

# name: parameters
QUESTIONS = {
    "daily": {"group_by": "daily"},
    "weekly": {"group_by": "weekly"},
    "monthly": {"group_by": "monthly"},
    "daily-of-february": {"from": "2026-02-09", "to": "2026-02-11", "zero_fill": "true"},
    "berlin-hourly": {"group_by": "hourly", "tz": "Europe/Berlin", "from": "2026-03-29", "to": "2026-03-29"},
    "kathmandu-by-source": {"tz": "Asia/Kathmandu", "breakdown": "source"},
    "monthly-by-type": {"group_by": "monthly", "breakdown": "type", "previous": "true"},
    "total-of-two": {"group_by": "total", "campaign_id": f"{CAMPAIGN},{OTHER}", "from": "2026-01-01"},
    "daily-page": {"limit": "2", "metrics": "total_clicks,total_value"},
    "by-source.csv": {"breakdown": "source", "format": "csv", "previous": "true", "group_by": "weekly"},
    "by-type.ndjson": {"breakdown": "type", "format": "ndjson"},
}


@pytest.fixture(scope="module")
def server(module_world):
    offset = int((TODAY - now()).total_seconds() * 1000)
    served = module_world.serve(CLOCK_OFFSET_MS=offset)
    for i, (campaign, source, click, conversion, kind, value) in enumerate(EVENTS):
        user = f"33333333-3333-4333-8333-{i:012}"
        if click:
            served.click(campaign_id=campaign, user_id=user, source=source, click_date=click)
        if conversion:
            served.conversion(campaign_id=campaign, user_id=user, source=source, conversion_date=conversion,
                              type=kind, value=value)
    module_world.wait_processed()
    # the caches take turns at the begin; what they say does not differ, but who is named as source does
    eventually(lambda: ask(served, {}).json()["sources"] == ["cache", "redis"])
    return served


def ask(server, params):
    response = server.get("/api/campaigns/statistics", **({"campaign_id": CAMPAIGN} | params))
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("name", QUESTIONS)
def test_answers_are_as_they_were(server, name):
    text = re.sub(rb'"live_as_of":"[^"]*"', b'"live_as_of":"MASKED"', ask(server, QUESTIONS[name]).content)
    path = GOLDEN / (name if "." in name else f"{name}.json")
    if os.environ.get("TYR_WRITE_GOLDEN"):
        path.write_bytes(text)
    assert text.decode() == path.read_bytes().decode()


@pytest.mark.parametrize("group_by", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("path", ["/api/campaigns/statistics", "/api/campaign-statistics"])
def test_a_client_of_the_reference_reads_our_answers(server, group_by, path):
    wanted = json.loads((GOLDEN / f"{group_by}.reference.json").read_text())
    response = server.get(path, campaign_id=CAMPAIGN, group_by=group_by)
    assert response.headers["Content-Type"] == "application/json"
    answer = json.loads(response.text)
    assert list(answer)[:3] == list(wanted)
    assert (answer["campaign_id"], answer["group_by"]) == (wanted["campaign_id"], wanted["group_by"])
    assert len(answer["data"]) == len(wanted["data"])
    for row, reference in zip(answer["data"], wanted["data"]):
        assert list(row)[:len(reference)] == list(reference)
        for field, value in reference.items():
            assert type(row[field]) is type(value) or field == "conversion_rate"
            assert decimal.Decimal(row[field]) == decimal.Decimal(value) if field == "total_value" else \
                row[field] == value
