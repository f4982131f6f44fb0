"""
A stored history, made by SQL in a fresh world as if the program had booked it: events with their indexes, paths,
buckets and day shares; journals the program writes itself when it starts.

Of n events a fifth are clicks of the last four hours, with which every conversion of limits/feed.c's backlog finds
clicks of its user in its window; the rest is spread evenly over the days before, a fifteenth of its clicks converting.
(That a user's shard is not that of Kafka's hash makes no difference to what a statement has to read or write.)
"""

import datetime
import pathlib
import threading

SQL = pathlib.Path(__file__).resolve().parent / "history"
RECENT_HOURS = 4
CONVERTS_EVERY = 15
PER_DAY_MAX = 900_000  # or a user would click twice a day, and conversions have longer paths
UTC = datetime.timezone.utc


def milliseconds(when):
    return int(when.timestamp() * 1000)


def plan(stored, days, hours, now):
    """How many clicks are older and recent, between which times, and each month's clicks [(first day, first, last)]."""
    recent = max(1, stored // 5)
    older = max(1, round((stored - recent) / (1 + 1 / CONVERTS_EVERY)))
    days = max(days, older // PER_DAY_MAX + 1)
    ends = now - datetime.timedelta(hours=hours)
    mid = ends - datetime.timedelta(hours=RECENT_HOURS)
    times = {"starts": milliseconds(mid - datetime.timedelta(days=days)), "mid": milliseconds(mid),
             "ends": milliseconds(ends)}

    def clicks_until(ms):
        """How many clicks clicks.sql dates before a time."""
        if ms <= times["mid"]:
            return max(0, -((times["starts"] - ms) * older // (times["mid"] - times["starts"])) - 1)
        return older + max(0, -((times["mid"] - ms) * recent // (times["ends"] - times["mid"])) - 1)

    months, day, done = [], (mid - datetime.timedelta(days=days)).astimezone(UTC).date().replace(day=1), 0
    while done < older + recent:
        after = (day + datetime.timedelta(days=32)).replace(day=1)
        border = milliseconds(datetime.datetime.combine(after, datetime.time(), UTC))
        last = older + recent if border > times["ends"] else clicks_until(border)
        if last > done:
            months.append((day, done + 1, last))
        day, done = after, max(done, last)
    return {"older": older, "recent": recent} | times, months


def run_all(jobs):
    """Call every function, all at once; the first error."""
    problems = []

    def run(job):
        try:
            job()
        except Exception as error:  # pylint: disable=broad-except
            problems.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def fill(world, stored, campaigns, partitions, days, hours):
    """Make a history of so many events that ended so many hours ago, over so many days at least."""
    figures, months = plan(stored, days, hours, datetime.datetime.now(UTC))
    figures |= {"campaigns": campaigns, "partitions": partitions}

    def run(name, **more):
        world.file(SQL / f"{name}.sql", figures | more)

    run("begin")
    for day, _, _ in months:
        world.sql(f"DROP TABLE IF EXISTS click_events_{day:%Y_%m}")  # empty, made by migrating
    queue = sorted(months, key=lambda month: month[1] - month[2])  # the largest first

    def make_months():
        while queue:
            day, first, last = queue.pop(0)
            run("clicks", day=day, first=first, last=last)

    run_all([make_months, make_months])
    run_all([lambda: run("click_buckets"), lambda: run("conversions")])
    run("days")
