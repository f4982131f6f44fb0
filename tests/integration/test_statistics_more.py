"""Statistics in every zone, by every dimension and in every format, beside plain SQL recounts of the events.

The recounts share nothing with the program but the event tables: they group events by what PostgreSQL says the
local time of each one was, where the program sums buckets between instants.
"""

import contextlib
import csv
import datetime
import io
import itertools
import json
import random
import zoneinfo

import pytest

import model
from harness import eventually, new_id, now

# Whole hours, halves and quarters; both hemispheres; clocks that change at midnight (Havana, Cairo, Azores), by half
# an hour (Lord Howe), never, and not in step with the sun (Casablanca).
ZONES = ("UTC", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "America/St_Johns", "Europe/Berlin",
         "America/Havana", "Africa/Cairo", "Atlantic/Azores", "America/New_York", "Pacific/Chatham",
         "Pacific/Kiritimati", "Africa/Casablanca", "Asia/Kolkata")
SOURCES = ("google", "news,letter", "!bang", 'Zürich "x"\\')
TYPES = ("purchase", "signup", "a,b")
FIELDS = ("total_clicks", "total_conversions", "total_value", "unattributed_conversions", "unattributed_value")
EVENTS = 1500 if model.sanitized() else 6000
DAYS = 420


def transitions(zone, first, last):
    """The instants at which a zone's offset changes, in milliseconds."""
    tz = zoneinfo.ZoneInfo(zone)
    step, found = 3_600_000, []
    offset = None
    for ms in range(first - first % step, last, step):
        at = datetime.datetime.fromtimestamp(ms // 1000, tz).utcoffset()
        if offset not in (None, at):
            found.append(ms)
        offset = at
    return found


class Events:
    """Random events: anywhere in a year, around changes of clocks, around local midnights, and now."""

    def __init__(self, rng, n):
        self.rng = rng
        self.last = model.now_ms()
        self.first = self.last - DAYS * model.MS_PER_DAY
        self.campaigns = [new_id() for _ in range(3)]
        self.users = [new_id() for _ in range(n // 30)]
        self.changes = [ms for zone in ZONES for ms in transitions(zone, self.first, self.last)]
        self.all = [self.make() for _ in range(n)]

    def instant(self):
        rng = self.rng
        roll = rng.random()
        if roll < 0.3:
            return rng.randrange(self.first, self.last)
        if roll < 0.6:      # within hours of a change, often at a quarter's very begin or end
            ms = rng.choice(self.changes) + rng.randrange(-16, 17) * 900_000 - rng.choice((0, 0, 1))
            return min(max(ms, self.first), self.last)
        if roll < 0.8:      # the last days
            return self.last - rng.randrange(2 * model.MS_PER_DAY)
        zone = zoneinfo.ZoneInfo(rng.choice(ZONES))     # a local midnight
        day = datetime.datetime.fromtimestamp(rng.randrange(self.first, self.last) // 1000, zone)
        midnight = int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1000
        return min(max(midnight - rng.choice((0, 1)), self.first), self.last)

    def make(self):
        rng = self.rng
        event = model.Event("click", new_id(), self.instant(), rng.choice(self.users), rng.choice(self.campaigns),
                            rng.choice(SOURCES))
        if rng.random() < 0.4:
            event = event._replace(kind="conversion", type=rng.choice(TYPES), value_minor=rng.randrange(100_000))
        elif rng.random() < 0.3:
            self.paired = event
        if event.kind == "conversion" and rng.random() < 0.8 and hasattr(self, "paired"):
            c = self.paired     # soon after a click, so that many are earned
            event = event._replace(ms=min(c.ms + rng.randrange(5_000_000), self.last), user=c.user,
                                   campaign=c.campaign, source=c.source)
        return event


@pytest.fixture(scope="module")
def loaded(module_world):
    """A server with events, all of them processed and all journals written."""
    server = module_world.serve()
    events = Events(model.seeded_random(), EVENTS)
    for i in range(0, len(events.all), 1000):
        answer = server.batch([event.element() for event in events.all[i:i + 1000]])
        assert answer["accepted"] == len(answer["results"]), answer
    module_world.wait_processed()
    db = module_world.db()
    eventually(lambda: model.journals_follow(db), 20)
    return server, events, db


# --- the recount ---------------------------------------------------------------------------------

PERIODS = {
    "hourly": "to_char(local, 'YYYY-MM-DD\"T\"HH24') || replace(to_char(local - utc, 'HH24:MI'), ':-', ':')",
    "daily": "to_char(local, 'YYYY-MM-DD')",
    "weekly": "to_char(date_trunc('week', local), 'YYYY-MM-DD')",
    "monthly": "to_char(local, 'YYYY-MM')",
    "total": "%(from)s || '/' || %(to)s",
}

RECOUNT = """
    SELECT {period}, {key}, sum(clicks), sum(conversions), sum(value), sum(rest), sum(rest_value)
    FROM (
        SELECT click_date AT TIME ZONE %(tz)s AS local, click_date AT TIME ZONE 'UTC' AS utc, campaign_id, source,
            NULL AS type, 1 AS clicks, 0 AS conversions, 0 AS value, 0 AS rest, 0 AS rest_value
        FROM click_events
        UNION ALL
        SELECT conversion_date AT TIME ZONE %(tz)s, conversion_date AT TIME ZONE 'UTC', campaign_id, source, type, 0,
            (click_id IS NOT NULL)::int, CASE WHEN click_id IS NOT NULL THEN value_minor ELSE 0 END,
            (click_id IS NULL)::int, CASE WHEN click_id IS NULL THEN value_minor ELSE 0 END
        FROM conversion_events
    ) e
    WHERE campaign_id = ANY (%(campaigns)s::uuid[]) AND local::date BETWEEN %(from)s::date AND %(to)s::date
        AND {where}
    GROUP BY 1, 2
"""


def recount(db, campaigns, group_by, tz, first, last, breakdown=None, where="true"):
    """{(period, key): (clicks, conversions, value, unattributed, its value)}"""
    key = {"campaign": "campaign_id::text", None: "NULL"}.get(breakdown, breakdown)
    rows = db.execute(RECOUNT.format(period=PERIODS[group_by], key=key, where=where.replace("%", "%%")),
                      {"tz": tz, "campaigns": list(campaigns), "from": str(first), "to": str(last)}).fetchall()
    return {(period, k): tuple(map(int, numbers)) for period, k, *numbers in rows}


def hour_of(label):
    """An hour's label as the recount says it: the local hour, and the offset."""
    offset = datetime.datetime.fromisoformat(label).utcoffset()
    minutes = abs(int(offset.total_seconds())) // 60
    return f"{label[:13]}{'-' if offset.total_seconds() < 0 else ''}{minutes // 60:02}:{minutes % 60:02}"


def numbers_of(row):
    clicks, conversions, value, rest, rest_value = (row[field] for field in FIELDS)
    return clicks, conversions, model.minor_of(value), rest, model.minor_of(rest_value)


def rows_of(answer, breakdown=None):
    """{(period, key): numbers} of an answer, with its order and its rates checked."""
    field = {"campaign": "campaign_id"}.get(breakdown, breakdown)
    rows, hourly, labels, clicks = {}, answer["group_by"] == "hourly", [], 0
    for row in answer["data"]:
        key = row[field] if field else None
        numbers = numbers_of(row)
        if not labels or labels[-1] != row["period"]:
            labels.append(row["period"])
            clicks = numbers[0] if breakdown == "type" else 0
        by = clicks if breakdown == "type" else numbers[0]
        rate = numbers[1] / by * 100 if by else 0
        assert abs(row["conversion_rate"] - rate) <= 1e-9 * max(rate, 1), row
        name = hour_of(row["period"]) if hourly else row["period"]
        assert (name, key) not in rows, f"{row} stands twice"
        rows[name, key] = numbers
    assert len(set(labels)) == len(labels)
    order = [datetime.datetime.fromisoformat(label) for label in labels] if hourly else labels
    assert order == sorted(order, reverse=True), "not newest first"
    return rows


def ask(server, campaigns, **params):
    response = server.get("/api/campaigns/statistics", campaign_id=campaigns, **params)
    assert response.status_code == 200, f"{params}: {response.status_code} {response.text}"
    return response.json()


def local_today(tz):
    return datetime.datetime.now(zoneinfo.ZoneInfo(tz)).date()


def compare(server, db, campaigns, group_by, tz, first, last, breakdown=None, where="true", **params):
    params |= {"group_by": group_by, "tz": tz, "from": str(first), "to": str(last)}
    if breakdown:
        params["breakdown"] = breakdown
    answer = ask(server, list(campaigns), **params)
    expected = recount(db, campaigns, group_by, tz, first, last, breakdown, where)
    assert rows_of(answer, breakdown) == {k: v for k, v in expected.items() if any(v)}, params
    return answer


# --- zones ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("tz", ZONES)
def test_a_year_in_every_zone_equals_a_recount(loaded, tz):
    server, events, db = loaded
    today = local_today(tz)
    first = today - datetime.timedelta(days=DAYS + 2)
    for campaign, group_by in itertools.product(events.campaigns[:2], ("daily", "weekly", "monthly", "total")):
        compare(server, db, [campaign], group_by, tz, first, today)
    seen = compare(server, db, events.campaigns, "daily", tz, first, today)
    assert len(seen["data"]) > 200 and seen["tz"] == tz


@pytest.mark.parametrize("tz", ZONES)
def test_hours_around_changes_of_clocks_equal_a_recount(loaded, tz):
    server, events, db = loaded
    changes = transitions(tz, events.first, events.last)
    days = {datetime.datetime.fromtimestamp(ms // 1000, zoneinfo.ZoneInfo(tz)).date() for ms in changes}
    for day in sorted(days) + [local_today(tz)]:
        first, last = day - datetime.timedelta(days=1), day + datetime.timedelta(days=1)
        compare(server, db, events.campaigns, "hourly", tz, first, last)
        filled = ask(server, events.campaigns, group_by="hourly", tz=tz, zero_fill="true",
                     **{"from": str(first), "to": str(last)})["data"]
        starts = [datetime.datetime.fromisoformat(row["period"]) for row in filled][::-1]
        zone = zoneinfo.ZoneInfo(tz)
        for start in starts:    # every label is the local time of a true instant, with the offset of that instant
            assert start.astimezone(zone).isoformat() == start.isoformat()
        gaps = {(b - a).total_seconds() for a, b in itertools.pairwise(starts)}
        parts = {"Australia/Lord_Howe": {1800}, "Pacific/Chatham": {900, 2700}}     # clocks change within an hour
        assert gaps <= {3600} | parts.get(tz, set())


def test_today_in_kathmandu_is_kathmandus_day(loaded):
    server, events, db = loaded
    tz = "Asia/Kathmandu"
    campaign = events.campaigns[0]
    midnight = datetime.datetime.combine(local_today(tz), datetime.time(), zoneinfo.ZoneInfo(tz))
    ms = int(midnight.timestamp()) * 1000
    for at in (ms - 1, ms, ms, model.now_ms()):
        event = model.Event("click", new_id(), at, new_id(), campaign, "google")
        server.batch([event.element()])
    server.world.wait_processed()
    answer = ask(server, campaign, tz=tz)       # the last 30 days, of Kathmandu
    assert answer["to"] == str(local_today(tz))
    expected = recount(db, [campaign], "daily", tz, answer["from"], answer["to"])
    assert rows_of(answer) == expected
    assert expected[answer["to"], None][0] >= 3
    for group_by in ("hourly", "weekly", "monthly", "total"):
        answer = ask(server, campaign, tz=tz, group_by=group_by)
        assert rows_of(answer) == recount(db, [campaign], group_by, tz, answer["from"], answer["to"])


@pytest.mark.parametrize("tz", ["Mars/Olympus", "EST5EDT4", "Foo+3", "+05:45", "posix/Europe/Berlin", "localtime",
                                "Europe", "UTC+3"])
def test_what_is_no_zone(loaded, tz):
    server, events, _ = loaded
    response = server.get("/api/campaigns/statistics", campaign_id=events.campaigns[0], tz=tz)
    assert (response.status_code, response.json()["error"]["field"]) == (400, "tz"), response.text


def test_zones_are_found_without_case(loaded):
    server, events, _ = loaded
    assert ask(server, events.campaigns[0], tz="europe/berlin")["tz"] == "Europe/Berlin"
    assert ask(server, events.campaigns[0], tz="Etc/UTC")["tz"] == "Etc/UTC"


# --- dimensions ----------------------------------------------------------------------------------

FILTERS = (
    ({"source": "google"}, "source = 'google'"),
    ({"source": ["google", "\\!bang"]}, "source IN ('google', '!bang')"),
    ({"source": "news\\,letter,google"}, "source IN ('google', 'news,letter')"),
    ({"source": "!google,\\!bang"}, "source NOT IN ('google', '!bang')"),
    ({"source": 'Zürich "x"\\\\'}, "source = 'Zürich \"x\"\\'"),
    ({"source": "nothing"}, "false"),
    ({"type": "purchase"}, "(type = 'purchase' OR type IS NULL)"),
    ({"type": "!purchase,a\\,b"}, "(type = 'signup' OR type IS NULL)"),
    ({"type": ["purchase", "signup"], "source": "!google"},
     "(type IN ('purchase', 'signup') OR type IS NULL) AND source <> 'google'"),
)


@pytest.mark.parametrize("params, where", FILTERS, ids=[str(params) for params, _ in FILTERS])
def test_filters_and_breakdowns_equal_a_recount(loaded, params, where):
    server, events, db = loaded
    for tz, breakdown in itertools.product(("UTC", "Asia/Kathmandu"), (None, "source", "type", "campaign")):
        last = local_today(tz)
        first = last - datetime.timedelta(days=DAYS)
        for group_by in ("daily", "monthly", "total"):
            compare(server, db, events.campaigns[:2], group_by, tz, first, last, breakdown, where, **params)


def test_rows_of_a_breakdown_add_up(loaded):
    server, events, _ = loaded
    whole = ask(server, events.campaigns, group_by="monthly")["data"]
    for breakdown in ("source", "type", "campaign"):
        parts = ask(server, events.campaigns, group_by="monthly", breakdown=breakdown)["data"]
        for row in whole:
            of = [numbers_of(part) for part in parts if part["period"] == row["period"]]
            assert tuple(map(sum, zip(*of))) == numbers_of(row)
        if breakdown == "type":     # rates add up as well, since all are by all clicks
            for row in whole:
                rates = sum(part["conversion_rate"] for part in parts if part["period"] == row["period"])
                assert abs(rates - row["conversion_rate"]) < 1e-9 * max(rates, 1)


def test_campaigns(loaded):
    server, events, _ = loaded
    a, b, _ = events.campaigns
    one, two = ask(server, a), ask(server, f"{a},{b}")
    assert one["campaign_id"] == a and "campaign_ids" not in one
    assert two["campaign_ids"] == [a, b] and "campaign_id" not in two
    assert ask(server, [a, b, a])["data"] == two["data"]
    for unknown in (new_id(), f"{a},{new_id()}"):
        response = server.get("/api/campaigns/statistics", campaign_id=unknown)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "unknown_campaign")
    none = ask(server, "none", zero_fill="true", group_by="total")
    assert none["campaign_id"] == "none" and numbers_of(none["data"][0]) == (0, 0, 0, 0, 0)
    rows = ask(server, f"none,{a}", breakdown="campaign", group_by="total")["data"]
    assert [row["campaign_id"] for row in rows] == [a]


# --- periods -------------------------------------------------------------------------------------

@pytest.mark.parametrize("tz", ["UTC", "America/Havana"])
@pytest.mark.parametrize("group_by", ["hourly", "daily", "weekly", "monthly", "total"])
def test_previous_periods(loaded, tz, group_by):
    """A row's previous one has the numbers of that period asked for alone, and lies a range's length before."""
    server, events, db = loaded
    last = local_today(tz) - datetime.timedelta(days=3)
    first = last - datetime.timedelta(days=2 if group_by == "hourly" else 100)
    answer = ask(server, events.campaigns[0], group_by=group_by, tz=tz, previous="true", zero_fill="true",
                 **{"from": str(first), "to": str(last)})
    assert len(answer["data"]) >= 1
    if group_by == "hourly":
        zone = zoneinfo.ZoneInfo(tz)
        back = recount(db, events.campaigns[:1], "hourly", tz, first - datetime.timedelta(days=10), last)
        for row in answer["data"]:
            start = datetime.datetime.fromisoformat(row["period"]) - datetime.timedelta(days=3)
            assert datetime.datetime.fromisoformat(row["previous"]["period"]) == start
            want = back.get((hour_of(start.astimezone(zone).isoformat()), None), (0, 0, 0, 0, 0))
            assert numbers_of(row["previous"]) == want
        return
    days = [row["period"] for row in answer["data"]]
    before = [row["previous"]["period"] for row in answer["data"]]
    if group_by in ("daily", "weekly"):
        dates = [datetime.date.fromisoformat(d) for d in days + before]
        assert set(itertools.starmap(lambda a, b: a - b, zip(dates[:-1], dates[1:]))) == \
            {datetime.timedelta(days=1 if group_by == "daily" else 7)}, "adjacent"
    if group_by == "total":
        lower, upper = before[0].split("/")
        assert datetime.date.fromisoformat(upper) == first - datetime.timedelta(days=1)
        assert datetime.date.fromisoformat(lower) == first - datetime.timedelta(days=101)
    if group_by in ("daily", "total"):
        for row in answer["data"][:40]:
            lower, _, upper = row["previous"]["period"].partition("/")
            alone = recount(db, events.campaigns[:1], "total", tz, lower, upper or lower)
            assert (numbers_of(row["previous"]),) == (tuple(alone.values()) or ((0, 0, 0, 0, 0),))


def test_zero_filling(loaded):
    server, events, _ = loaded
    campaign = events.campaigns[0]
    days = {"from": "2019-12-30", "to": "2020-03-02"}
    for tz in ("UTC", "Asia/Tehran"):
        assert ask(server, campaign, tz=tz, **days)["data"] == []
        for group_by, n in (("hourly", 64 * 24), ("daily", 64), ("weekly", 10), ("monthly", 4), ("total", 1)):
            rows = ask(server, campaign, tz=tz, group_by=group_by, zero_fill="true", **days)["data"]
            assert len(rows) == n and all(numbers_of(row) == (0, 0, 0, 0, 0) for row in rows)
            assert all(row["conversion_rate"] == 0 for row in rows)
    rows = ask(server, campaign, breakdown="source", zero_fill="true")["data"]
    assert len(rows) == 30 * len({row["source"] for row in rows})


@pytest.mark.parametrize("params", [
    {"group_by": "daily"}, {"group_by": "daily", "zero_fill": "true"}, {"group_by": "weekly", "tz": "Asia/Kathmandu"},
    {"group_by": "monthly", "breakdown": "source"}, {"group_by": "hourly", "tz": "Australia/Lord_Howe"},
    {"group_by": "hourly", "tz": "UTC", "zero_fill": "true", "previous": "true"}], ids=str)
def test_pages_add_up_to_the_whole(loaded, params):
    server, events, _ = loaded
    if params["group_by"] == "hourly":
        changed = transitions(params["tz"], events.first, events.last) or [events.last - 9 * model.MS_PER_DAY]
        day = model.day_of(changed[0])
        params = params | {"from": str(day - datetime.timedelta(days=3)), "to": str(day + datetime.timedelta(days=3))}
    else:
        params = params | {"from": str(model.day_of(events.first))}
    whole = ask(server, events.campaigns[0], **params)
    assert whole["next_cursor"] is None
    for limit in (1, 7, 1000):
        pages, cursor, rows = 0, None, []
        while True:
            page = ask(server, events.campaigns[0], **params, limit=limit, **({"cursor": cursor} if cursor else {}))
            assert len({row["period"] for row in page["data"]}) <= limit
            rows += page["data"]
            pages, cursor = pages + 1, page["next_cursor"]
            if cursor is None or pages > 30:
                break
        assert rows == whole["data"][:len(rows)]
        assert cursor is not None or (len(rows) == len(whole["data"]) and pages >= len(rows) // limit // 4)


def test_too_much(loaded):
    server, events, _ = loaded
    first, last = str(model.today_utc() - datetime.timedelta(days=3999)), str(model.today_utc())
    page = ask(server, events.campaigns[0], group_by="hourly", zero_fill="true", **{"from": first, "to": last})
    assert len(page["data"]) == 10000 and page["next_cursor"]
    response = server.get("/api/campaigns/statistics", campaign_id=events.campaigns[0], group_by="hourly",
                          zero_fill="true", breakdown="source", **{"from": first, "to": last})
    if response.status_code == 200:     # not enough sources at once
        assert len({row["source"] for row in response.json()["data"]}) < 6
    else:
        assert (response.status_code, response.json()["error"]["field"]) == (400, "limit")


# --- forms ---------------------------------------------------------------------------------------

def test_metrics(loaded):
    server, events, _ = loaded
    for params in ({}, {"tz": "Asia/Tehran", "breakdown": "type"}):
        for row in ask(server, events.campaigns[0], metrics="total_value,total_clicks", previous="true",
                       **params)["data"]:
            assert [k for k in row if k != "type"] == ["period", "total_clicks", "total_value", "previous"]
            assert list(row["previous"]) == ["period", "total_clicks", "total_value"]


@pytest.mark.parametrize("params", [{}, {"tz": "Asia/Kathmandu", "breakdown": "source"}, {"breakdown": "type"},
                                    {"group_by": "total", "previous": "true"}], ids=str)
def test_formats_say_the_same(loaded, params):
    server, events, _ = loaded
    campaign = events.campaigns[0]
    answer = ask(server, campaign, **params)
    path = "/api/campaigns/statistics"
    lines = server.get(path, campaign_id=campaign, format="ndjson", **params)
    assert lines.headers["Content-Type"] == "application/x-ndjson" and lines.text.endswith("}\n")
    assert [json.loads(line) for line in lines.text.splitlines()] == answer["data"]
    table = server.get(path, campaign_id=campaign, format="csv", **params)
    assert table.headers["Content-Type"].startswith("text/csv")
    table.encoding = "utf-8"
    assert table.text.count("\n") == table.text.count("\r\n")
    rows = list(csv.DictReader(io.StringIO(table.text, newline=""), strict=True))
    flat = []
    for row in answer["data"]:
        previous = row.pop("previous", {})
        row |= {f"previous.{k}": v for k, v in previous.items()}
        flat.append({k: "" if v is None else str(v) for k, v in row.items()})
    assert [{k: v if "rate" not in k else str(json.loads(v)) for k, v in row.items()} for row in rows] == flat
    for media, wanted in (("text/csv", table), ("application/x-ndjson", lines)):
        by_header = server.session().get(server.url + path, params={"campaign_id": campaign, **params},
                                         headers={"Accept": media})
        assert by_header.content == wanted.content and by_header.headers["Vary"] == "Accept"
    assert table.headers["Statistics-Degraded"] == "false" and "postgres" in table.headers["Statistics-Sources"] or \
        not params or params.get("group_by")
    limited = server.get(path, campaign_id=campaign, format="csv", limit=1)
    assert limited.headers["Statistics-Next-Cursor"].startswith("daily.")


def test_closed_days_have_a_tag_and_open_ones_do_not(loaded):
    server, events, _ = loaded
    campaign = events.campaigns[0]
    closed = {"from": str(model.today_utc() - datetime.timedelta(days=20)),
              "to": str(model.today_utc() - datetime.timedelta(days=10))}
    path, session = "/api/campaigns/statistics", server.session()
    for params in (closed, closed | {"tz": "Asia/Kathmandu"}, closed | {"format": "csv"}):
        def get(**headers):
            return session.get(server.url + path, params={"campaign_id": campaign, **params}, headers=headers)
        eventually(lambda: get().headers["ETag"] == get().headers["ETag"])      # once the cache is warm
        first = get()
        assert first.headers["Cache-Control"] == "no-cache" and first.headers["ETag"].startswith('"')
        if "format" not in params:
            assert first.json()["live_as_of"] is None
        same = get(**{"If-None-Match": f'"other", {first.headers["ETag"]}'})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert "Content-Length" not in same.headers and same.headers["Cache-Control"] == "no-cache"
        assert get(**{"If-None-Match": '"other"'}).status_code == 200
    first = session.get(server.url + path, params={"campaign_id": campaign, **closed})
    late = model.Event("click", new_id(), model.ms_of_day(model.today_utc() - datetime.timedelta(days=12)), new_id(),
                       campaign, "google")
    server.batch([late.element()])
    server.world.wait_processed()

    def changed():
        again = session.get(server.url + path, params={"campaign_id": campaign, **closed},
                            headers={"If-None-Match": first.headers["ETag"]})
        return again.status_code == 200 and again.headers["ETag"] != first.headers["ETag"]
    eventually(changed, 2)
    for params in ({}, {"tz": "Asia/Kathmandu"}, {"group_by": "total", "tz": "Asia/Tehran"}):
        live = session.get(server.url + path, params={"campaign_id": campaign, **params})
        assert "ETag" not in live.headers and live.headers["Cache-Control"] == "no-cache"
        as_of = datetime.datetime.fromisoformat(live.json()["live_as_of"].replace("Z", "+00:00"))
        assert -0.1 < (now() - as_of).total_seconds() < 2


def test_head(loaded):
    server, events, _ = loaded
    response = server.session().head(server.url + "/api/campaigns/statistics",
                                     params={"campaign_id": events.campaigns[0], "format": "csv"})
    assert response.status_code == 200 and response.content == b"" and int(response.headers["Content-Length"]) > 50


def test_sources(loaded):
    server, events, _ = loaded
    campaign = events.campaigns[0]
    eventually(lambda: ask(server, campaign)["sources"] == ["cache", "redis"])
    assert ask(server, campaign)["degraded"] is False
    yesterday = str(model.today_utc() - datetime.timedelta(days=2))
    assert ask(server, campaign, to=yesterday)["sources"] == ["cache"]
    assert ask(server, campaign, tz="Asia/Tehran")["sources"] == ["postgres"]


def test_random_questions_equal_a_recount(loaded):
    """Anything together with anything."""
    server, events, db = loaded
    rng = random.Random(model.seeded_random().random())
    for _ in range(40 if model.sanitized() else 150):
        tz, group_by = rng.choice(ZONES), rng.choice(tuple(PERIODS))
        params, where = rng.choice(FILTERS + (({}, "true"),) * 3)
        last = local_today(tz) - datetime.timedelta(days=rng.choice((0, 0, 1, rng.randrange(DAYS))))
        longest = 60 if group_by == "hourly" else DAYS
        first = last - datetime.timedelta(days=rng.choice((0, 1, 7, rng.randrange(longest))))
        campaigns = rng.sample(events.campaigns, rng.randrange(1, 4))
        compare(server, db, campaigns, group_by, tz, first, last, rng.choice((None, "source", "type", "campaign")),
                where, **params)


# --- packed quarters -----------------------------------------------------------------------------

PACKED_ROWS = 1 + 6        # of a campaign's day: clicks, and each model's conversions


def test_late_events_show_before_their_journal_is_written(world):
    """A closed day that changed is read from the buckets until its packed quarters follow; sums beyond 64 bits too."""
    server = world.serve(JOURNAL_INTERVAL_MS=60000)
    day = model.ms_of_day(model.today_utc() - datetime.timedelta(days=20))
    campaigns, db = [new_id(), new_id()], world.db()
    params = {"tz": "Asia/Kathmandu", "from": str(model.today_utc() - datetime.timedelta(days=40))}

    def send(n, campaign, hours):
        events = []
        for i in range(n):
            click = model.Event("click", new_id(), day + int(hours * 3_600_000) + i, new_id(), campaign, "a")
            events += [click, click._replace(kind="conversion", id=new_id(), type="t", value_minor=10**15)]
        assert server.batch([event.element() for event in events])["accepted"] == 2 * n
        world.wait_processed()

    def equal(packed):
        for breakdown in (None, "campaign"):
            answer = compare(server, db, campaigns, "daily", "Asia/Kathmandu", params["from"],
                             local_today("Asia/Kathmandu"), breakdown)
        assert db.execute("SELECT count(*) FROM campaign_quarters").fetchone()[0] == packed
        return answer["data"]
    send(3, campaigns[0], 18)
    send(3, campaigns[1], 30)
    equal(0)
    journal = {"from": params["from"], "to": str(model.today_utc() - datetime.timedelta(days=1))}
    assert server.post("/api/campaigns/journal", journal).status_code == 200
    equal(2 * PACKED_ROWS)
    send(1200, campaigns[0], 18.25)
    send(2, campaigns[1], 18)
    rows = equal(2 * PACKED_ROWS)
    # The journal actor has not followed: what is packed is not read.
    db.execute("UPDATE campaign_quarters SET quarters = '' WHERE model = ''")
    assert equal(2 * PACKED_ROWS) == rows
    assert server.stop() == 0
    server = world.serve()
    eventually(lambda: model.journals_follow(db), 20)
    eventually(lambda: not db.execute("SELECT 1 FROM journal_changes c LEFT JOIN journal_progress p USING (shard) "
                                      "WHERE c.version > coalesce(p.version, -1)").fetchall())
    assert equal(3 * PACKED_ROWS) == rows
    db.execute("UPDATE campaign_quarters SET quarters = '' WHERE model = ''")
    assert {row["total_clicks"] for row in ask(server, campaigns, **params)["data"]} == {0}, "now it is"


# --- when stores are away ------------------------------------------------------------------------

def test_without_redis_and_without_postgres(world, services):
    server = world.serve()
    campaign = new_id()
    for _ in range(3):
        server.click(campaign_id=campaign)
    world.wait_processed()
    eventually(lambda: ask(server, campaign)["sources"] == ["cache", "redis"])
    zone = {"tz": "Asia/Kathmandu"}
    services.stop("redis")
    for params in ({}, {"group_by": "total"}):
        answer = eventually(lambda p=params: (a := ask(server, campaign, **p))["degraded"] and a)
        assert answer["sources"] == ["cache", "postgres"] and answer["data"][0]["total_clicks"] == 3
    assert ask(server, campaign, **zone)["data"][0]["total_clicks"] == 3
    assert ask(server, campaign, **zone)["degraded"] is False, "Redis is not asked for zones"
    services.start("redis")
    eventually(lambda: not (a := ask(server, campaign))["degraded"] and a["sources"] == ["cache", "redis"], 20)
    services.stop("postgres")

    def refused(params):
        response = server.get("/api/campaigns/statistics", campaign_id=campaign, **params)
        return response.status_code == 503 and response.headers["Retry-After"]
    with contextlib.ExitStack() as stack:
        stack.callback(services.start, "postgres")
        for params in ({}, zone):
            eventually(lambda p=params: refused(p), 5)
    for params in ({}, zone):
        eventually(lambda p=params: ask(server, campaign, **p)["data"][0]["total_clicks"] == 3, 20)
