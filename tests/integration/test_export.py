"""Exports give what the tables have: every row once, in whatever pieces they are fetched.

What is expected is read from the tables with SQL of the tests' own; credits' values are shared here anew.
"""

import csv
import fractions
import http.client
import io
import json
import signal
import socket
import threading
import time

import pytest
import requests
from psycopg import sql

import model
from harness import ROOT, SLOW, eventually, new_id

KINDS = ("clicks", "conversions", "credits")
FORMATS = ("ndjson", "csv")
MODELS = ("last_click", "first_click", "linear", "position_based", "time_decay", "last_non_direct")
SOURCES = ("newsletter", "direct", 'say "hi", twice', "zwei\r\nZeilen", "\u65e5\u672c \\ \"cursor\":\"x\"}", "a;b\t|")
MONTHS_BACK = (0, 0, 0, 1, 2, 14)
COLUMNS = {
    "clicks": ("event", "click_id", "user_id", "campaign_id", "source", "click_date"),
    "conversions": ("event", "conversion_id", "user_id", "campaign_id", "source", "type", "value", "adjusted_value",
                    "cancelled", "conversion_date", "click_id", "last_click_id", "last_click_date", "last_click_campaign_id", "last_click_source"),
    "credits": ("conversion_id", "conversion_date", "model", "place", "is_extra", "click_id", "click_date",
                "campaign_id", "source", "credit", "value"),
}
EVENTS = 400 if model.sanitized() else 1500
BIG = 300_000


# --- events ----------------------------------------------------------------------------------------

class Events:
    """Users with longer and shorter paths; conversions that leave things out, and that name clicks."""

    def __init__(self, rng, n):
        self.rng = rng
        self.campaigns = [model.new_uuid(rng) for _ in range(4)]
        self.users = [model.new_uuid(rng) for _ in range(n // 12)]
        self.clicks = []
        self.all = [self.click() if rng.random() < 0.6 else self.conversion() for _ in range(n)]
        self.all += [self.adjustment(event) for event in self.all if event["event"] == "conversion" and rng.random() < 0.2]
        # Before all months.
        self.all += [dict(self.click(), click_date=f"19{y}-07-01T12:00:00.{y}1Z") for y in range(70, 90)]
        # Long paths: more touches than a page of credits has.
        user, ms = model.new_uuid(rng), model.now_ms() - 3 * model.MS_PER_DAY
        self.all += [self.click(user=user, ms=ms + i) for i in range(150)]
        self.all += [self.conversion(user=user, ms=ms + 1000 + i) for i in range(12)]

    def instant(self):
        back = self.rng.choice(MONTHS_BACK) * 30 * model.MS_PER_DAY
        return model.now_ms() - back - self.rng.randrange(4 * 3_600_000)

    def click(self, user=None, ms=None):
        rng = self.rng
        click = {"event": "click", "click_id": model.new_uuid(rng), "user_id": user or rng.choice(self.users),
                 "campaign_id": rng.choice(self.campaigns), "source": rng.choice(SOURCES),
                 "click_date": model.rfc3339(ms or self.instant())}
        self.clicks.append(click)
        return click

    def adjustment(self, conversion):
        change = self.rng.choice(({"cancel": True}, {"refund": "0.99"}, {"value": "12.34"}))
        return {"event": "adjustment", "adjustment_id": model.new_uuid(self.rng), "user_id": conversion["user_id"],
                "conversion_id": conversion["conversion_id"], "adjustment_date": conversion["conversion_date"], **change}

    def conversion(self, user=None, ms=None):
        rng = self.rng
        conversion = {"event": "conversion", "conversion_id": model.new_uuid(rng),
                      "user_id": user or rng.choice(self.users), "campaign_id": rng.choice(self.campaigns),
                      "source": rng.choice(SOURCES), "type": rng.choice(("purchase", "sign,up")),
                      "value": model.money(rng.choice((0, 1, 100, rng.randrange(10 ** 6), 10 ** 15 - 7))),
                      "conversion_date": model.rfc3339(ms or self.instant())}
        for key in ("campaign_id", "source"):
            if rng.random() < 0.3:
                del conversion[key]
        if rng.random() < 0.3:
            own = [click for click in self.clicks if click["user_id"] == conversion["user_id"]]
            named = own if own and rng.random() < 0.7 else self.clicks
            conversion["click_id"] = rng.choice(named)["click_id"] if named else new_id()
        return conversion


@pytest.fixture(scope="module")
def loaded(module_world):
    """A server, events that are all processed, and a connection."""
    server = module_world.serve()
    events = Events(model.seeded_random(), EVENTS)
    for i in range(0, len(events.all), 500):
        answer = server.batch(events.all[i:i + 500])
        assert answer["accepted"] == len(answer["results"]), answer
    module_world.wait_processed()
    return server, events, module_world.db()


@pytest.fixture(scope="module")
def expected(loaded):
    """{kind: all rows in order, without cursors} as the tables have them."""
    db = loaded[2]
    rows = {"clicks": expected_clicks(db), "conversions": expected_conversions(db), "credits": expected_credits(db)}
    assert {row["model"] for row in rows["credits"]} == set(MODELS)
    assert any(row["is_extra"] for row in rows["credits"]) and any(row["click_id"] for row in rows["conversions"])
    return rows


# --- what the tables have --------------------------------------------------------------------------

TIME = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
MONTH = "CASE WHEN {0} < '2000-01-01Z' THEN '-infinity'::timestamp ELSE date_trunc('month', {0} AT TIME ZONE 'UTC') END"


def fetch(db, query):
    cursor = db.execute(query)
    return [dict(zip((column.name for column in cursor.description), row)) for row in cursor.fetchall()]


def expected_clicks(db):
    return fetch(db, f"""
        SELECT 'click' AS event, click_id::text, user_id::text, campaign_id::text, source,
            {TIME.format('click_date')} AS click_date
        FROM click_events e ORDER BY {MONTH.format('e.click_date')}, e.click_id, e.click_date""")


def expected_conversions(db):
    """The last click's campaign and source are those of the click itself."""
    return [dict(row, value=model.money(row["value"]), adjusted_value=row["adjusted_value"] and model.money(int(row["adjusted_value"])))
            for row in fetch(db, f"""
        SELECT 'conversion' AS event, conversion_id::text, c.user_id::text,
            nullif(c.campaign_id::text, '00000000-0000-0000-0000-000000000000') AS campaign_id,
            nullif(c.source, '') AS source, type, value_minor AS value, adjusted_minor::text AS adjusted_value,
            is_cancelled AS cancelled, {TIME.format('conversion_date')}
                AS conversion_date, named_click_id::text AS click_id, c.click_id::text AS last_click_id,
            {TIME.format('c.click_date')} AS last_click_date, k.campaign_id::text AS last_click_campaign_id,
            k.source AS last_click_source
        FROM conversion_events c LEFT JOIN click_events k ON (k.click_id, k.click_date) = (c.click_id, c.click_date)
        ORDER BY {MONTH.format('c.conversion_date')}, c.conversion_id, c.conversion_date""")]


def expected_credits(db):
    rows = fetch(db, f"""
        SELECT v.conversion_id::text, {TIME.format('v.conversion_date')} AS conversion_date, v.model, v.place, v.is_extra,
            v.click_id::text, {TIME.format('v.click_date')} AS click_date, v.campaign_id::text, v.source, v.credit,
            coalesce(c.adjusted_minor, c.value_minor) AS value
        FROM conversion_credits v JOIN conversion_events c USING (conversion_id, conversion_date)
        WHERE NOT c.is_cancelled
        ORDER BY {MONTH.format('v.conversion_date')}, v.conversion_id, v.conversion_date,
            array_position(ARRAY{list(MODELS)}, v.model), v.place""")
    start = 0
    while start < len(rows):
        end = start
        while end < len(rows) and all(rows[end][k] == rows[start][k] for k in ("conversion_id", "conversion_date",
                                                                               "model")):
            end += 1
        share(rows[start:end])
        start = end
    return rows


def share(rows):
    """Replace the conversion's value by each touch's part: rounded down, the rest to the largest remainders, the later
    touch first."""
    whole = sum(row["credit"] for row in rows)
    if whole == 0:
        parts = [0] * len(rows)
    else:
        exact = [fractions.Fraction(row["value"] * row["credit"], whole) for row in rows]
        parts = [int(part) for part in exact]
        order = sorted(range(len(rows)), key=lambda i: (exact[i] - parts[i], i), reverse=True)
        for i in order[:rows[0]["value"] - sum(parts)]:
            parts[i] += 1
    for row, part in zip(rows, parts):
        row["value"] = model.money(part)


# --- clients ---------------------------------------------------------------------------------------

def read_ndjson(text):
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def read_csv(text, columns, header=True):
    """Rows as in NDJSON: what is empty is None, and numbers are numbers."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if header:
        assert tuple(rows[0]) == columns + ("cursor",)
        rows = rows[1:]
    typed = []
    for row in rows:
        fields = {name: value or None for name, value in zip(columns + ("cursor",), row, strict=True)}
        for name in {"place", "credit"} & set(columns):
            fields[name] = int(fields[name])
        for name in {"is_extra", "cancelled"} & set(columns):
            fields[name] = {"true": True, "false": False}[fields[name]]
        typed.append(fields)
    return typed


def export(server, kind, form="ndjson", code=200, **params):
    """All rows of one answer."""
    response = server.get(f"/api/export/{kind}", format=form, **params)
    assert response.status_code == code, f"{response.status_code} {response.text[:1000]}"
    assert response.headers["Transfer-Encoding"] == "chunked"
    text = response.content.decode()
    if form == "csv":
        assert response.headers["Content-Type"].startswith("text/csv; charset=utf-8; header=")
        return read_csv(text, COLUMNS[kind], "cursor" not in params)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    return read_ndjson(text)


def bare(rows):
    """Without cursors, which are all different."""
    assert len({row["cursor"] for row in rows}) == len(rows)
    return [{k: v for k, v in row.items() if k != "cursor"} for row in rows]


def whole_lines(text, form, kind, header):
    """(what of a text that was cut off is whole, its rows)."""
    if form == "ndjson":
        text = text[:text.rfind("\n") + 1]
        return text, read_ndjson(text)
    # A line's end may stand within a cell.
    while True:
        text = text[:text.rfind("\r\n") + 2] if "\r\n" in text else ""
        if not text:
            return "", []
        if text.count('"') % 2 == 0:
            return text, read_csv(text, COLUMNS[kind], header)
        text = text[:-2]


class Download:
    """An answer that is read bit by bit, and that may be dropped."""

    def __init__(self, server, kind, rcvbuf=None, **params):
        host, port = server.url.removeprefix("http://").split(":")
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60 * SLOW)
        self.connection.connect()
        if rcvbuf:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        query = requests.models.RequestEncodingMixin._encode_params(params)     # pylint: disable=protected-access
        self.connection.request("GET", f"/api/export/{kind}?{query}")
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def read(self, size=None):
        return self.response.read(size)

    def read_rest(self):
        """(the rest, was there a proper end?)"""
        parts = []
        try:
            while part := self.response.read1(65536):
                parts.append(part)
            return b"".join(parts), True
        except (http.client.IncompleteRead, ConnectionError, ValueError) as error:
            parts.append(getattr(error, "partial", b""))
            return b"".join(parts), False

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- what is exported ------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_everything(loaded, expected, kind, form):
    server = loaded[0]
    rows = export(server, kind, form)
    assert all(tuple(row) == COLUMNS[kind] + ("cursor",) for row in rows)
    assert bare(rows) == expected[kind]


def test_credits_add_up(loaded):
    """To a million and to the cent, for every conversion and model; statistics say the same of each campaign."""
    server, events, db = loaded
    sums = {}
    by_campaign = {}
    for row in export(server, "credits"):
        key = row["conversion_id"], row["conversion_date"], row["model"]
        credit, value = sums.get(key, (0, 0))
        sums[key] = credit + row["credit"], value + model.minor_of(row["value"])
        if row["model"] == "linear":
            campaign = by_campaign.setdefault(row["campaign_id"], [0, 0])
            campaign[0] += row["credit"]
            campaign[1] += model.minor_of(row["value"])
    values = {(i, t): v for i, t, v in db.execute(
        f"SELECT conversion_id::text, {TIME.format('conversion_date')},"
        " coalesce(adjusted_minor, value_minor) FROM conversion_events")}
    assert len(sums) > 500
    for (conversion, date, name), (credit, value) in sums.items():
        assert (credit, value) in ((10 ** 6, values[conversion, date]), (0, 0)), (conversion, name)
    for campaign in events.campaigns:
        total = server.statistics(campaign, group_by="total", model="linear",
                                  **{"from": str(model.today_utc() - model.datetime.timedelta(days=1000))})["data"][0]
        credit, value = by_campaign[campaign]
        assert round(total["total_conversions"] * 10 ** 6) == credit
        assert model.minor_of(total["total_value"]) == value


def fits_campaign(kind, row, campaigns):
    if kind == "conversions":
        counted = row["last_click_campaign_id"] or row["campaign_id"] or "none"
        return counted in campaigns
    return row["campaign_id"] in campaigns


@pytest.mark.parametrize("kind", KINDS)
def test_filters(loaded, expected, kind):
    server, events, _ = loaded
    time_key = "click_date" if kind == "clicks" else "conversion_date"
    rng = model.seeded_random()
    dates = sorted(row[time_key] for row in expected[kind])
    for i in range(40):
        form = FORMATS[i % 2]
        params, rows = {}, expected[kind]
        low, high = sorted(rng.sample(dates, 2))
        if low == high:
            continue
        if rng.random() < 0.4:
            params["from"] = low[:10]
            rows = [row for row in rows if row[time_key] >= low[:10]]
        elif rng.random() < 0.6:
            params["from"] = low
            rows = [row for row in rows if row[time_key] >= low]
        if rng.random() < 0.4:
            params["to"] = high[:10]
            rows = [row for row in rows if row[time_key][:10] <= high[:10]]
        elif rng.random() < 0.6:
            params["to"] = high.replace("Z", "+00:00")
            rows = [row for row in rows if row[time_key] < high]
        if rng.random() < 0.5:
            campaigns = rng.sample(events.campaigns, 2) + (["none"] if kind == "conversions" else [])
            params["campaign_id"] = ",".join(campaigns[:2]) if rng.random() < 0.5 else campaigns
            chosen = campaigns[:2] if isinstance(params["campaign_id"], str) else campaigns
            rows = [row for row in rows if fits_campaign(kind, row, chosen)]
        if kind == "credits" and rng.random() < 0.5:
            params["model"] = rng.sample(MODELS, 2)
            rows = [row for row in rows if row["model"] in params["model"]]
        if rng.random() < 0.3:
            params["limit"] = rng.randrange(1, len(rows) + 10)
            rows = rows[:params["limit"]]
        assert bare(export(server, kind, form, **params)) == rows, params


def test_conversions_are_those_of_statistics(loaded):
    """What a campaign's export has is what its statistics count."""
    server, events, _ = loaded
    since = {"from": str(model.today_utc() - model.datetime.timedelta(days=1000))}
    for campaign in events.campaigns + ["none"]:
        rows = export(server, "conversions", campaign_id=campaign, **since)
        total = server.statistics(campaign, group_by="total", zero_fill="true", **since)["data"][0]
        counted = [dict(row, value=row["adjusted_value"] or row["value"]) for row in rows if not row["cancelled"]]
        earned = [row for row in counted if row["last_click_id"]]
        rest = [row for row in counted if not row["last_click_id"]]
        assert (len(earned), len(rest)) == (total["total_conversions"], total["unattributed_conversions"])
        assert sum(model.minor_of(row["value"]) for row in earned) == model.minor_of(total["total_value"])
        assert sum(model.minor_of(row["value"]) for row in rest) == model.minor_of(total["unattributed_value"])


def test_what_is_exported_can_be_sent_again(loaded, expected, module_world):
    """Rows are events as the API takes them: all of them are known already."""
    server, _, db = loaded
    before = model.dump(db)
    for kind in ("clicks", "conversions"):
        lines = server.get(f"/api/export/{kind}").content
        response = server.session().post(server.url + "/api/events/batch", data=lines, timeout=60 * SLOW,
                                         headers={"Content-Type": "application/x-ndjson"})
        answer = response.json()
        assert answer["accepted"] == len(expected[kind]) and answer["status"] == "success", answer
    module_world.wait_processed()
    duplicates = db.execute("SELECT sum(duplicate[1]), sum(duplicate[2]) FROM partition_fences").fetchone()
    # More if Kafka was slow to acknowledge: what the spool took over then is sent twice.
    assert duplicates[0] >= len(expected["clicks"]) and duplicates[1] >= len(expected["conversions"])
    after = model.dump(db)
    for table in ("click_events", "conversion_events", "click_buckets", "conversion_buckets"):
        assert after[table] == before[table]


# --- questions -------------------------------------------------------------------------------------

BAD = [("clicks", {"from": "yesterday"}, "from"), ("clicks", {"from": "2026-01-02", "to": "2026-01-01"}, "from"),
       ("credits", {"campaign_id": "none"}, "campaign_id"), ("clicks", {"campaign_id": "x"}, "campaign_id"),
       ("conversions", {"model": "linear"}, "model"), ("credits", {"model": "shapley"}, "model"),
       ("clicks", {"limit": "0"}, "limit"), ("clicks", {"cursor": "x"}, "cursor"),
       ("clicks", {"cursor": f"conversions.0.{new_id()}"}, "cursor"), ("clicks", {"format": "json"}, "format"),
       ("clicks", {"since": "1"}, "since")]


@pytest.mark.parametrize("kind,params,field", BAD)
def test_bad_questions(loaded, kind, params, field):
    response = loaded[0].get(f"/api/export/{kind}", **params)
    assert response.status_code == 400 and response.json()["error"]["field"] == field, response.text


def test_other_requests(loaded):
    server = loaded[0]
    assert server.get("/api/export/events").status_code == 404
    assert server.get("/api/export/clicks/").status_code == 404
    assert server.post("/api/export/clicks", {}).status_code == 405
    head = server.session().head(server.url + "/api/export/clicks", timeout=10 * SLOW)
    assert head.status_code == 200 and head.headers["Transfer-Encoding"] == "chunked" and head.content == b""
    assert server.get("/api/export/clicks", limit=1).status_code == 200     # on the same connection
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10 * SLOW) as s:
        s.sendall(b"GET /api/export/clicks HTTP/1.0\r\n\r\n")
        assert b" 505 " in s.recv(65536)


def test_accept(loaded):
    server = loaded[0]
    for accept, content_type in (("text/csv", "text/csv; charset=utf-8; header=present"),
                                 ("application/x-ndjson;q=1, text/csv", "application/x-ndjson"),
                                 ("*/*", "application/x-ndjson")):
        response = server.session().get(server.url + "/api/export/clicks", params={"limit": 1},
                                        headers={"Accept": accept}, timeout=10 * SLOW)
        assert response.headers["Content-Type"] == content_type and response.headers["Vary"] == "Accept"


def test_nothing_to_export(loaded):
    server = loaded[0]
    for kind in KINDS:
        for params in ({"from": "1815-01-01", "to": "1815-12-31"}, {"from": "2999-01-01"}, {"campaign_id": new_id()}):
            assert export(server, kind, **params) == [] and export(server, kind, "csv", **params) == []


# --- resuming --------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_anywhere(loaded, kind, form):
    """Dropped at random bytes, over and over; together the pieces are the whole, byte for byte."""
    server, events, _ = loaded
    rng = model.seeded_random()
    for filters in ({}, {"campaign_id": events.campaigns[:3]}):
        whole = server.get(f"/api/export/{kind}", format=form, **filters).content
        text, cursor, pieces, ended = "", None, 0, False
        while not ended:
            params = {"format": form, **filters, **({"cursor": cursor} if cursor else {})}
            with Download(server, kind, **params) as download:
                data = download.read(rng.randrange(len(whole) // 6))
                ended = download.response.isclosed() and download.status == 200
            if download.status == 503:      # those that were dropped still hold the exporters
                time.sleep(0.05)
                continue
            assert download.status == 200
            piece, rows = whole_lines(data.decode(errors="ignore"), form, kind, cursor is None)
            text += piece
            if rows:
                cursor = rows[-1]["cursor"]
            elif cursor is None:
                text = ""       # not even the header
            pieces += 1
        assert pieces > 5
        assert text.encode() == whole


@pytest.mark.parametrize("kind", KINDS)
def test_pages_by_limit(loaded, expected, kind):
    """A limit and the last row's cursor, until there are less rows than asked for."""
    server = loaded[0]
    rng = model.seeded_random()
    rows, cursor = [], None
    while True:
        limit = rng.choice((1, 7, 500, 6000))
        page = export(server, kind, limit=limit, **({"cursor": cursor} if cursor else {}))
        rows += page
        if len(page) < limit:
            break
        cursor = page[-1]["cursor"]
    assert bare(rows) == expected[kind]


def test_every_row_of_credits_can_be_the_last(loaded, expected):
    """From the cursor of any row on comes exactly what follows it."""
    server = loaded[0]
    rows = export(server, "credits")
    rng = model.seeded_random()
    for i in [0, len(rows) - 1] + rng.sample(range(len(rows)), 60):
        after = export(server, "credits", cursor=rows[i]["cursor"], limit=20)
        assert after == rows[i + 1:i + 21]
    assert bare(rows) == expected["credits"]


# --- many rows -------------------------------------------------------------------------------------

@pytest.fixture
def big(world):
    """A server, started with these options, of a table with many clicks."""
    world.migrate()
    world.sql("SELECT ensure_event_month('click_events', d::date) FROM generate_series('2026-01-01'::date, '2026-03-01',"
              " interval '1 month') AS d")
    world.sql(f"""
        INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard)
        SELECT gen_random_uuid(), '2026-01-01Z'::timestamptz + n * interval '20 seconds', gen_random_uuid(),
            md5((n % 20)::text)::uuid, 'newsletter', 0
        FROM generate_series(1, {BIG}) AS n""")
    world.sql("ANALYZE click_events")

    def serve(**options):
        return world.serve(**options)
    return serve


def ids_of(data):
    return [json.loads(line)["click_id"] for line in data.splitlines()]


def expect_big(world):
    return [i for (i,) in world.sql("SELECT click_id::text FROM click_events ORDER BY date_trunc('month', click_date AT"
                                    " TIME ZONE 'UTC'), click_id")]


def test_memory_is_constant(world, big):
    server = big()
    assert len(export(server, "clicks", limit=20_000)) == 20_000
    before, most, started = server.rss(), 0, time.monotonic()
    rows = size = 0
    with Download(server, "clicks") as download:
        while data := download.read(1 << 20):
            size += len(data)
            rows += data.count(b"\n")
            most = max(most, server.rss())
    print(f"{rows} rows, {size >> 20} MiB in {time.monotonic() - started:.1f} s; resident {before >> 10} KiB before,"
          f" at most {most >> 10} KiB")
    assert rows == BIG
    if not model.sanitized():
        assert most - before < 8 << 20
    assert server.metrics()["tyr_export_rows_total"] == BIG + 20_000
    assert server.metrics()['tyr_exports_total{outcome="whole"}'] == 2


def test_a_slow_reader_is_alone(world, big):
    """It holds its exporter and no snapshot, others go on, and in the end it is cut off and can resume."""
    server = big(EXPORTS=2, HTTP_REQUEST_TIMEOUT_MS=int(5000 * SLOW))
    before = server.rss()
    with Download(server, "clicks", rcvbuf=65536) as slow:
        head = slow.read(100_000)
        eventually(lambda: world.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'tyrattribution exporter'"
                                     " AND state = 'idle' AND backend_xmin IS NULL AND state_change < now() - interval"
                                     " '0.7 s'"), 5, "the exporter waits for the client, with nothing open")
        started = time.monotonic()
        assert len(export(server, "clicks", limit=20_000)) == 20_000
        print(f"beside it 20,000 rows in {time.monotonic() - started:.2f} s")
        with Download(server, "clicks", rcvbuf=65536) as other:
            refused = server.get("/api/export/clicks", limit=1)
            assert refused.status_code == 503 and refused.headers["Retry-After"], refused.text
            assert refused.json()["error"]["code"] == "unavailable"
            assert server.get("/api/campaigns").status_code == 200
            other.read(1000)
        eventually(lambda: server.metrics()["tyr_exports_running"] == 0, 20, "the slow ones are cut off")
        if not model.sanitized():
            assert server.rss() - before < 16 << 20
        rest, ended = slow.read_rest()
        assert not ended, "what was cut off must not look whole"
    got = (head + rest)[:(head + rest).rfind(b"\n") + 1]
    cursor = json.loads(got.splitlines()[-1])["cursor"]
    with Download(server, "clicks", cursor=cursor) as download:
        rest, ended = download.read_rest()
    assert ended and ids_of(got) + ids_of(rest) == expect_big(world)
    assert server.metrics()['tyr_exports_total{outcome="cut"}'] == 2
    assert server.metrics()['tyr_exports_total{outcome="refused"}'] == 1


def test_one_that_drips_is_cut_off(world, big):
    """A few bytes now and then do not keep an exporter for ever."""
    del world
    server = big(EXPORTS=1, HTTP_REQUEST_TIMEOUT_MS=2000)
    with Download(server, "clicks", rcvbuf=4096) as slow:
        stop = threading.Event()

        def drip():
            while not stop.wait(0.05):
                try:
                    slow.read(500)
                except (http.client.HTTPException, OSError, ValueError):
                    return
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            eventually(lambda: server.metrics()['tyr_exports_total{outcome="cut"}'] == 1, 40, "it is cut off")
        finally:
            stop.set()
            thread.join()
    assert len(export(server, "clicks", limit=10)) == 10


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_postgres_is_lost_midway(world, big, how):
    """The answer ends without its proper end; what came is a beginning of the whole, and the rest can be had later."""
    server = big(EXPORT_TIMEOUT_MS=int(1000 * SLOW))
    wanted = expect_big(world)
    with Download(server, "clicks", rcvbuf=65536) as download:
        head = download.read(200_000)
        if how == "killed":
            world.services.kill("postgres")
        else:
            lock = world.db()
            lock.execute("BEGIN")
            lock.execute("LOCK TABLE click_events")     # the next page times out
        rest, ended = download.read_rest()
        assert not ended
        if how == "hangs":
            lock.execute("ROLLBACK")
    world.services.heal()
    got = (head + rest)[:(head + rest).rfind(b"\n") + 1]
    assert 0 < got.count(b"\n") < BIG and ids_of(got) == wanted[:got.count(b"\n")]
    cursor = json.loads(got.splitlines()[-1])["cursor"]

    def resumed():
        with Download(server, "clicks", cursor=cursor) as again:
            return again.status == 200 and again.read_rest()
    rest, ended = eventually(resumed, 30)
    assert ended and ids_of(got) + ids_of(rest) == wanted


def test_without_postgres(world, big):
    server = big()
    world.services.stop("postgres")
    response = server.get("/api/export/clicks")
    assert response.status_code == 503 and response.json()["error"]["code"] == "unavailable"
    world.services.heal()
    eventually(lambda: len(export(server, "clicks", limit=5)) == 5, 10)


def test_a_stop_does_not_wait_for_exports(world, big):
    server = big()
    wanted = expect_big(world)
    with Download(server, "clicks", rcvbuf=65536) as download:
        head = download.read(100_000)
        server.signal(signal.SIGTERM)
        rest, ended = download.read_rest()
    started = time.monotonic()
    assert not ended and server.wait_exit() == 0
    assert time.monotonic() - started < 10 * SLOW
    got = (head + rest)[:(head + rest).rfind(b"\n") + 1]
    cursor = json.loads(got.splitlines()[-1])["cursor"]
    server = big()      # another process
    with Download(server, "clicks", cursor=cursor) as download:
        rest, ended = download.read_rest()
    assert ended and ids_of(got) + ids_of(rest) == wanted


def test_events_that_come_meanwhile(world, big):
    """Behind the place that was reached they are seen, before it they are not; none is there twice."""
    server = big()
    wanted = expect_big(world)
    half = export(server, "clicks", limit=BIG // 2)
    at = half[-1]
    month = at["click_date"][:7]
    low, high = "0" + new_id()[1:], "f" + new_id()[1:]
    for click in (low, high):
        world.sql("INSERT INTO click_events (click_id, click_date, user_id, campaign_id, source, shard) VALUES"
                  " (%s, %s, gen_random_uuid(), gen_random_uuid(), 'late', 0)", click, f"{month}-05T00:00:00Z")
    rest = export(server, "clicks", cursor=at["cursor"])
    ids = [row["click_id"] for row in half + rest]
    assert len(ids) == len(set(ids)) == BIG + 1 and high in ids and low not in ids and set(wanted) < set(ids)
    assert low in [row["click_id"] for row in export(server, "clicks")]


def plan(db, name, *params):
    text = (ROOT / "schema" / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    db.execute((ROOT / "schema" / "queries" / "export_session.sql").read_text(encoding="utf-8"))
    db.execute(f"PREPARE {name} AS {text}")
    literals = ", ".join(sql.Literal(p).as_string(db) for p in params)
    return "\n".join(row[0] for row in db.execute(f"EXPLAIN EXECUTE {name} ({literals})"))


@pytest.mark.parametrize("name,key", [("export_clicks", "click"), ("export_conversions", "conversion"),
                                      ("export_credits", "conversion")])
def test_plans(world, big, name, key):
    """A page walks one partition's primary key; events are neither sorted nor scanned."""
    del big
    for month in ("2026-01-01", "2026-02-01", "2026-03-01"):
        world.sql("SELECT ensure_event_month('conversion_events', %s)", month)
    for lower, upper in (("2026-02-01Z", "2026-03-01Z"), ("2026-02-07Z", "2026-02-08Z"),
                         ("2026-02-07T01:00Z", "2026-02-07T01:05Z")):
        for campaigns in (None, "{" + new_id() + "}"):
            params = [lower, upper, "7" + new_id()[1:], "2026-02-03Z", "5000", campaigns]
            text = plan(world.db(), name, *params, *(["1000"] if name == "export_credits" else []))
            print(text)
            assert f"Index Scan using {key}_events_2026_02_pkey" in text
            assert "Seq Scan" not in text and "2026_01" not in text and "2026_03" not in text, text
            # What is sorted is a page's touches at most.
            sorts = [line for line in text.splitlines() if "Sort" in line and "Sort Key" not in line]
            assert not sorts or (name == "export_credits" and text.index("Sort") < text.index("WindowAgg")), text
