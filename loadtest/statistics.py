#!/usr/bin/env python3
"""Statistics over a year of 5 million events: are they right in every zone, and how fast are they?

    set -a; . run/env; set +a                   # or DB_* of your own; the database must be empty
    tyrattribution migrate
    loadtest/statistics.py load                 # about a minute; then start the server
    loadtest/statistics.py check                # 12 zones beside SQL recounts; exits with 1 if anything differs
    loadtest/statistics.py measure              # latencies in milliseconds

check needs QUERY_TIMEOUT_MS=60000, since it asks for all campaigns by source at once. It needs psql.
"""

import argparse
import csv
import datetime
import hashlib
import http.client
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import uuid
import zoneinfo

CAMPAIGNS = [str(uuid.UUID(hashlib.md5(f"campaign {i}".encode()).hexdigest())) for i in range(50)]
ZONES = ("UTC", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "America/St_Johns", "Europe/Berlin",
         "America/New_York", "Asia/Kolkata", "Africa/Cairo", "America/Havana", "Pacific/Chatham", "Asia/Tokyo")

RECOUNT = """
COPY (
    SELECT {key}, local::date, sum(clicks), sum(conversions), sum(value), sum(rest), sum(rest_value)
    FROM (
        SELECT campaign_id, source, click_date AT TIME ZONE '{tz}' AS local, 1 AS clicks, 0 AS conversions, 0 AS value,
            0 AS rest, 0 AS rest_value
        FROM click_events
        UNION ALL
        SELECT campaign_id, source, conversion_date AT TIME ZONE '{tz}', 0, (click_id IS NOT NULL)::int,
            CASE WHEN click_id IS NOT NULL THEN value_minor ELSE 0 END, (click_id IS NULL)::int,
            CASE WHEN click_id IS NULL THEN value_minor ELSE 0 END
        FROM conversion_events
    ) e
    GROUP BY 1, 2
) TO STDOUT (FORMAT csv)
"""


def psql(*args):
    """Run psql on the database of the environment; its output."""
    env = os.environ | {"PGPASSWORD": os.environ.get("DB_PASSWORD", "")}
    done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", os.environ["DB_HOST"], "-p",
                           os.environ["DB_PORT"], "-U", os.environ["DB_USER"], os.environ["DB_NAME"], *args],
                          env=env, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


class Api:
    """One keep-alive connection."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)

    def get(self, query):
        self.connection.request("GET", "/api/campaigns/statistics?" + query)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"statistics: {query[:200]} was answered {answer.status}: {body[:300].decode()}")
        return body


def minor(text):
    return int(text.replace(".", ""))


def check(api):
    """Every day of a year and a bit, of every campaign and of every source."""
    wrong = 0
    for tz in ZONES:
        today = datetime.datetime.now(zoneinfo.ZoneInfo(tz)).date()
        days = f"from={today - datetime.timedelta(days=367)}&to={today}&tz={tz}&campaign_id={','.join(CAMPAIGNS)}"
        for key, field in (("campaign_id", "campaign_id"), ("source", "source")):
            breakdown = key.removesuffix("_id")
            answer = json.loads(api.get(f"{days}&breakdown={breakdown}"))
            api.connection.close()  # a recount may take longer than the server keeps a connection
            told = {(row[field], row["period"]): (row["total_clicks"], row["total_conversions"],
                                                  minor(row["total_value"]), row["unattributed_conversions"],
                                                  minor(row["unattributed_value"])) for row in answer["data"]}
            counted = {(row[0], row[1]): tuple(map(int, row[2:]))
                       for row in csv.reader(io.StringIO(psql("-c", RECOUNT.format(key=key, tz=tz))))}
            differing = sum(told.get(k) != counted.get(k) for k in told.keys() | counted.keys())
            held_today = sum(numbers[0] for (_, day), numbers in told.items() if day == str(today))
            wrong += differing
            print(f"{tz:22} by day and {breakdown:8} {len(counted):6} rows, {differing} differ; "
                  f"{held_today} clicks today ({today})", flush=True)
    return 1 if wrong else 0


def measure(api, n):
    year = f"from={datetime.date.today() - datetime.timedelta(days=364)}"
    some = f"{year}&group_by=weekly&tz=Europe/Berlin&campaign_id={','.join(CAMPAIGNS[:10])}"
    for name, query in (("a year by day, UTC", year), ("a year by day, Asia/Kathmandu", f"{year}&tz=Asia/Kathmandu"),
                        ("a year by day, Europe/Berlin", f"{year}&tz=Europe/Berlin"),
                        ("a year in total, Europe/Berlin", f"{year}&tz=Europe/Berlin&group_by=total"),
                        ("30 days by source, Europe/Berlin", "tz=Europe/Berlin&breakdown=source"),
                        ("2 days by hour, Asia/Kathmandu", "tz=Asia/Kathmandu&group_by=hourly"),
                        ("10 campaigns, a year by week", some)):
        times = []
        for _ in range(n):
            one = "" if "campaign_id" in query else f"&campaign_id={random.choice(CAMPAIGNS)}"
            began = time.perf_counter()
            api.get(query + one)
            times.append((time.perf_counter() - began) * 1000)
        warm = sorted(times[n // 10:])
        print(f"{name:34} p50 {warm[len(warm) // 2]:6.1f}  p99 {warm[len(warm) * 99 // 100]:6.1f}  "
              f"max {warm[-1]:6.1f}", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("load", "check", "measure"))
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--requests", type=int, default=1000)
    args = parser.parse_args()
    if args.what == "load":
        psql("-f", str(pathlib.Path(__file__).with_suffix(".sql")))
        return 0
    return check(Api(args.url)) if args.what == "check" else measure(Api(args.url), args.requests)


if __name__ == "__main__":
    sys.exit(main())
