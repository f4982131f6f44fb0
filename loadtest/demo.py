#!/usr/bin/env python3
"""Sends real customer paths through HTTP and checks that every total comes back exactly.

paths.py says what is sent: about 400,000 events, the same ones however often this runs on one day.
"""

import argparse
import datetime
import decimal
import gzip
import http.client
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import paths

RUN_ENV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run", "env")
REPEAT_S = 60       # how long one request is repeated before the demo gives up
PROCESSED_S = 120   # how long the events may take from HTTP to the statistics


# --- the server ----------------------------------------------------------------------------------

class Server:
    """One keep-alive connection that repeats what was answered 503 or not at all."""

    def __init__(self, base_url):
        url = urllib.parse.urlsplit(base_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(url.hostname, url.port, timeout=30)
        self.prefix = url.path.rstrip("/")
        self.repeats = 0
        try:
            self.connection.connect()
        except OSError as error:
            sys.exit(f"demo: no server answers at {base_url} ({error}); "
                     "start one in another terminal: make run")

    def request(self, method, path, body=None, headers=None):
        deadline = time.monotonic() + REPEAT_S
        while True:
            pause = 0.2
            try:
                self.connection.request(method, self.prefix + path, body, headers or {})
                answer = self.connection.getresponse()
                text = answer.read().decode(errors="replace")
                if answer.status == 200:
                    return json.loads(text)
                problem = f"{method} {path} was answered {answer.status}: {text[:300]}"
                if answer.status != 503:
                    sys.exit(f"demo: {problem}")
                pause = retry_after(answer.getheader("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                problem = f"{method} {path} failed: {error!r}"
            if time.monotonic() > deadline:
                sys.exit(f"demo: given up after {REPEAT_S} s: {problem}")
            self.repeats += 1
            time.sleep(pause)

    def send(self, events):
        """Sends a batch; what is answered `retry` is sent again, with the same ids and times."""
        deadline = time.monotonic() + REPEAT_S
        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        while True:
            body = gzip.compress("".join(json.dumps(e) + "\n" for e in events).encode(), 1)
            answer = self.request("POST", "/api/events/batch", body, headers)
            results = answer.get("results", [])
            if answer["rejected"]:
                why = [r for r in results if r["status"] == "rejected"][:1]
                sys.exit(f"demo: the server rejected {answer['rejected']} events, first {why}")
            if not answer["retry"]:
                return
            # A result list that does not name them costs only duplicates.
            events = [events[r["index"]] for r in results if r["status"] == "retry"] or events
            if time.monotonic() > deadline:
                sys.exit(f"demo: given up after {REPEAT_S} s: {len(events)} events still to be retried")
            self.repeats += 1
            time.sleep(0.2)

    def statistics(self, run, group_by, **more):
        query = urllib.parse.urlencode({"campaign_id": run.campaign, "group_by": group_by,
                                        "from": run.first_day, "to": run.base, **more})
        return self.request("GET", f"/api/campaigns/statistics?{query}")["data"]


def retry_after(header):
    try:
        return min(max(float(header), 0.05), 10)
    except (TypeError, ValueError):
        return 0.2


def consumer_lag(metrics_url):
    """Kafka messages not processed yet, or None where no metrics can be had."""
    try:
        with urllib.request.urlopen(metrics_url, timeout=5) as answer:
            text = answer.read().decode()
    except (OSError, ValueError):
        return None
    lags = re.findall(r"^tyr_consumer_lag(?:\{.*\})? (\S+)$", text, re.M)
    return sum(map(float, lags)) if lags else None


# --- the run -------------------------------------------------------------------------------------

def batches(events, size):
    while batch := list(itertools.islice(events, size)):
        yield batch


def show_progress(done, size, started):
    seconds = max(time.monotonic() - started, 0.001)
    bar = "#" * (30 * done // size)
    line = f"[{bar:30}] {100 * done // size:3d} %  {done:,} of {size:,} events  {done / seconds:,.0f}/s"
    if sys.stderr.isatty():
        print(f"\r{line} ", end="\n" if done == size else "", file=sys.stderr, flush=True)
    elif done == size:
        print(line, file=sys.stderr)


def send_all(server, run, batch_size):
    started = time.monotonic()
    done = 0
    for batch in batches(run.events(), batch_size):
        server.send(batch)
        done += len(batch)
        show_progress(done, run.size, started)


def totals(data):
    """Clicks, conversions and cents of statistics rows."""
    cents = sum(decimal.Decimal(row["total_value"]) for row in data) * 100
    clicks, conversions = (sum(row[f"total_{kind}"] for row in data) for kind in ("clicks", "conversions"))
    return [clicks, conversions, cents]


def wait_until_processed(server, run, metrics_url):
    """Waits for the expected totals and an empty queue, seen twice: duplicates must not hide in it."""
    started = time.monotonic()
    seen = 0
    while seen < 2 and time.monotonic() - started < PROCESSED_S:
        lag = consumer_lag(metrics_url)
        settled = totals(server.statistics(run, "daily")) == run.total() and not lag
        seen = seen + 1 if settled else 0
        time.sleep(0.5)
    waited = time.monotonic() - started
    print(f"processed after another {waited:.1f} s" if seen == 2
          else f"not settled after {waited:.0f} s: consumer lag {lag}")
    if lag is None:
        print(f"no consumer lag at {metrics_url}: trusting the statistics alone")


def print_table(title, data):
    rows = [("period", "clicks", "conversions", "rate %", "value", "unattributed")]
    for row in data:
        rows.append((row["period"], f"{row['total_clicks']:,}", f"{row['total_conversions']:,}",
                     f"{float(row['conversion_rate']):.2f}", f"{decimal.Decimal(row['total_value']):,}",
                     f"{row['unattributed_conversions']:,}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    print(f"\n{title}")
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))


class Comparison:
    """Prints one line a comparison and remembers whether any failed."""

    def __init__(self):
        self.failed = False

    def check(self, what, expected, got):
        same = expected == got
        self.failed |= not same
        print(f"{'ok' if same else 'MISMATCH':8}  {what}: "
              + (shown(expected) if same else f"expected {shown(expected)}, got {shown(got)}"))

    def check_totals(self, where, expected, got):
        names = ("clicks", "attributed conversions", "value")
        for name, want, have in zip(names, expected, got):
            if name == "value":
                want, have = decimal.Decimal(want) / 100, decimal.Decimal(have) / 100
            self.check(f"{where} {name}", want, have)

    def check_days(self, what, expected, got):
        days = sorted(expected.keys() | got.keys())
        wrong = [day for day in days if expected.get(day) != got.get(day)]
        self.failed |= bool(wrong)
        print(f"{'MISMATCH' if wrong else 'ok':8}  {what}: "
              + (f"{len(wrong)} of {len(days)} days differ" if wrong else f"all {len(days)} days"))
        for day in wrong:
            want, have = shown_day(expected.get(day)), shown_day(got.get(day))
            print(f"          {day}: expected {want}, got {have}")


    def check_models(self, expected, got, conversions):
        """Each model's conversions by channel, to one part per million of a conversion for each conversion."""
        for model, channels in expected.items():
            far = max(abs(channels.get(c, 0) - got[model].get(c, 0)) for c in channels.keys() | got[model].keys())
            same = far <= conversions / 1e6 and abs(sum(got[model].values()) - conversions) < 1e-6
            self.failed |= not same
            print(f"{'ok' if same else 'MISMATCH':8}  {model} by channel equals mta: {len(channels)} channels, "
                  f"{sum(got[model].values()):,.6f} conversions, farthest off {far:.6f}")


def shown(value):
    return f"{value:,.2f}" if isinstance(value, decimal.Decimal) else f"{value:,}"


def shown_day(row):
    return "{} clicks, {} conversions, {} cents".format(*row) if row else "nothing"


def by_channel(data, models):
    """Statistics rows as model -> channel -> conversions."""
    return {model: {row["source"]: float(row["models"][model]["total_conversions"]) for row in data}
            for model in models}


def by_day(data):
    """Statistics rows as day -> [clicks, conversions, cents]; days without events may be listed or not."""
    days = {row["period"]: totals([row]) for row in data}
    return {day: row for day, row in days.items() if row != [0, 0, 0]}


# --- the recount ---------------------------------------------------------------------------------

RECOUNT = """
SELECT day, sum(clicks), sum(conversions), sum(value_minor) FROM (
    SELECT (click_date AT TIME ZONE 'UTC')::date AS day, 1 AS clicks, 0 AS conversions, 0 AS value_minor
    FROM click_events WHERE campaign_id = :'campaign'
    UNION ALL
    SELECT (conversion_date AT TIME ZONE 'UTC')::date, 0, 1, value_minor
    FROM conversion_events WHERE campaign_id = :'campaign' AND click_id IS NOT NULL
) AS events GROUP BY day ORDER BY day;
"""


def read_env(path):
    settings = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                settings[name] = value.strip("\"'")
    return settings | os.environ    # the environment wins, as in the program


def recount(env_file, campaign):
    settings = read_env(env_file)
    names = {"DB_HOST": "PGHOST", "DB_PORT": "PGPORT", "DB_USER": "PGUSER", "DB_PASSWORD": "PGPASSWORD",
             "DB_NAME": "PGDATABASE"}
    login = {pg: settings[db] for db, pg in names.items() if db in settings}
    command = ["psql", "-X", "-q", "-A", "-t", "-F", ",",
               "-v", "ON_ERROR_STOP=1", "-v", f"campaign={campaign}"]
    try:
        done = subprocess.run(command, input=RECOUNT, env=os.environ | login, text=True,
                              capture_output=True)
    except FileNotFoundError:
        sys.exit("demo: the SQL recount needs psql: apt-get install postgresql-client")
    if done.returncode:
        sys.exit(f"demo: the SQL recount failed: {done.stderr.strip()}")
    lines = [line.split(",") for line in done.stdout.splitlines()]
    return {day: [int(n) for n in numbers] for day, *numbers in lines}


# --- the command ---------------------------------------------------------------------------------

def parse_arguments():
    today = datetime.datetime.now(datetime.timezone.utc).date()
    parser = argparse.ArgumentParser(description="Sends real customer paths and checks every total.")
    parser.add_argument("wheel", help="the wheel of the PyPI package mta")
    parser.add_argument("--base-url", default=os.environ.get("BASE_URL") or "http://127.0.0.1:8080")
    parser.add_argument("--metrics-url",
                        default=os.environ.get("METRICS_URL") or "http://127.0.0.1:8081/metrics")
    parser.add_argument("--date", type=datetime.date.fromisoformat, default=today,
                        help="base date, YYYY-MM-DD (default: today in UTC)")
    parser.add_argument("--rows", type=int, help="only the first ROWS rows, as a campaign of its own")
    parser.add_argument("--batch", type=int, default=2000, help="events in a request (default 2000)")
    parser.add_argument("--models", metavar="JSON", help="what mta computes; demo.sh --models makes it")
    parser.add_argument("--sql", metavar="ENV", nargs="?", const=RUN_ENV,
                        help="compare with an SQL recount too; ENV is a file with DB_HOST, DB_PORT, ... "
                             "(default run/env; a local server gets it unasked where that file exists)")
    parser.add_argument("--no-sql", action="store_true", help="leave the SQL recount out")
    args = parser.parse_args()
    local = urllib.parse.urlsplit(args.base_url).hostname in ("127.0.0.1", "localhost", "::1")
    if not args.sql and local and os.path.exists(RUN_ENV) and shutil.which("psql"):
        args.sql = RUN_ENV
    if args.no_sql:
        args.sql = None
    return args


def main():
    args = parse_arguments()
    run = paths.Run(paths.read_rows(args.wheel, args.rows), args.date, args.rows)
    server = Server(args.base_url)
    print(f"campaign {run.campaign}: {len(run.rows):,} paths, {run.size:,} events, "
          f"{run.first_day + datetime.timedelta(days=1)} to {run.base}")

    send_all(server, run, args.batch)
    clicks, conversions, cents = run.total()
    print(f"sent {run.users:,} users, {clicks:,} clicks, {conversions:,} conversions worth "
          f"{shown(decimal.Decimal(cents) / 100)}; {server.repeats} requests repeated")
    wait_until_processed(server, run, args.metrics_url)

    answers = {group: server.statistics(run, group) for group in ("daily", "weekly", "monthly")}
    print_table("by day", answers["daily"])
    print_table("by week (its Monday)", answers["weekly"])
    print()

    comparison = Comparison()
    for group, data in answers.items():
        comparison.check_totals(group, run.total(), totals(data))
    unattributed = sum(row["unattributed_conversions"] for row in answers["daily"])
    comparison.check("unattributed conversions", 0, unattributed)
    comparison.check_days("daily statistics equal what was sent", run.expected, by_day(answers["daily"]))
    if args.sql:
        comparison.check_days("daily statistics equal an SQL recount of the event tables",
                              recount(args.sql, run.campaign), by_day(answers["daily"]))
    if args.models and not args.rows:
        with open(args.models, encoding="utf-8") as file:
            expected = json.load(file)
        data = server.statistics(run, "total", breakdown="source", compare=",".join(expected))
        comparison.check_models(expected, by_channel(data, expected), conversions)
    sys.exit(1 if comparison.failed else 0)


if __name__ == "__main__":
    main()
