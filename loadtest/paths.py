"""What demo.py sends: the customer paths of the PyPI package mta, expanded by a fixed rule.

mta/data/data.csv.gz (MIT licence) has 10,000 rows such as "alpha > beta > eta", each with how many
users walked the path and converted, what these conversions were worth, and how many users walked it in
vain. A row is expanded by a fixed rule:

  users     total_conversions users that convert, then total_null users that do not
  clicks    one per touch and user, 5 minutes apart, source = the channel; the longest path has 89
            touches, so all of them lie within 7.5 hours, inside the 24 hours window
  convert   5 minutes after the last touch and with its source, so that this click earns it
  value     total_conversion_value rounded half up to cents, split over the row's conversions in whole
            cents, the first ones getting one more where it does not divide
  day       user number n of the file walks (n modulo 15) days before the base date, and ends at second
            7919 * n modulo 86400 of that day; on the base date itself modulo 1800, so that no event lies
            more than half an hour ahead of the clock however early in the day this runs
  ids       UUIDv5 of base date, row, user and touch; one campaign per base date

Running it again on one day therefore sends only duplicates, and every number stays as it was.
"""

import csv
import datetime
import decimal
import gzip
import io
import itertools
import uuid
import zipfile

DATA_FILE = "mta/data/data.csv.gz"
DAYS = 15
STEP_S = 300
DAY_S = 86400


def read_rows(wheel, limit):
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(DATA_FILE)).decode()
    return list(itertools.islice(csv.DictReader(io.StringIO(text)), limit))


def events_of(row):
    converting, others = int(row["total_conversions"]), int(row["total_null"])
    return (row["path"].count(">") + 1) * (converting + others) + converting


def to_cents(text):
    cent = decimal.Decimal("0.01")
    return int(decimal.Decimal(text).quantize(cent, decimal.ROUND_HALF_UP) * 100)


def decimal_text(cents):
    return f"{cents // 100}.{cents % 100:02d}"


def rfc3339(second):
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_day(second):
    return datetime.datetime.fromtimestamp(second, datetime.timezone.utc).date().isoformat()


class Run:
    """The events of one base date, and per day what the statistics must say about them."""

    def __init__(self, rows, base, limit):
        self.rows = rows
        self.base = base
        self.midnight = int(datetime.datetime.combine(
            base, datetime.time(), datetime.timezone.utc).timestamp())
        name = f"tyrattribution-demo/{base}" + (f"/{limit}" if limit else "")
        self.space = uuid.uuid5(uuid.NAMESPACE_URL, name)
        self.campaign = self.id("campaign")
        self.first_day = base - datetime.timedelta(days=DAYS)   # a path may begin on the day before
        self.size = sum(events_of(row) for row in rows)
        self.users = 0
        self.expected = {}      # day -> [clicks, conversions, cents]

    def id(self, name):
        return str(uuid.uuid5(self.space, name))

    def book(self, second, clicks, conversions, cents):
        day = self.expected.setdefault(utc_day(second), [0, 0, 0])
        for i, more in enumerate((clicks, conversions, cents)):
            day[i] += more

    def total(self):
        return [sum(column) for column in zip(*self.expected.values())]

    def end_of_path(self, user):
        days_ago = user % DAYS
        second = 7919 * user % (DAY_S if days_ago else 1800)
        return self.midnight - days_ago * DAY_S + second

    def events(self):
        for r, row in enumerate(self.rows):
            touches = row["path"].split(" > ")
            converting = int(row["total_conversions"])
            cents = to_cents(row["total_conversion_value"])
            for i in range(converting + int(row["total_null"])):
                share = None
                if i < converting:
                    share = cents // converting + (i < cents % converting)
                yield from self.journey(f"{r}/{i}", touches, share)

    def journey(self, name, touches, cents):
        user = self.id(name)
        end = self.end_of_path(self.users)
        self.users += 1
        for t, source in enumerate(touches):
            second = end - (len(touches) - t) * STEP_S
            self.book(second, 1, 0, 0)
            yield {"event": "click", "click_id": self.id(f"{name}/{t}"), "campaign_id": self.campaign,
                   "user_id": user, "click_date": rfc3339(second), "source": source}
        if cents is None:
            return
        self.book(end, 0, 1, cents)
        yield {"event": "conversion", "conversion_id": self.id(f"{name}/conversion"),
               "campaign_id": self.campaign, "user_id": user, "conversion_date": rfc3339(end),
               "source": touches[-1], "type": "purchase", "value": decimal_text(cents)}
