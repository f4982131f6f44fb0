#!/usr/bin/env python3
"""Recompute a large history while events go on coming: does the dry run say what the switch does, and is nothing lost?

    set -a; . run/env; set +a                   # or KAFKA_URL and DB_* of your own; the database should be empty
    tyrattribution migrate
    tyrattribution serve &
    loadtest/recompute.py --conversions 1000000

Puts so many conversions, each with one to three clicks of its user over two days, into Kafka, and waits until they are
booked. Then the lookback window is recomputed from one day to three: first as a dry run, then really, while events of
an earlier month go on being sent. Needs the Python packages of the tests (tests/requirements.txt).
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))

# pylint: disable=wrong-import-position
import psycopg
from confluent_kafka import Producer

import model
from harness import partition_of

CAMPAIGNS, SOURCES, DAYS = 50, 20, 90
TOPICS = {"click": os.environ.get("KAFKA_CLICK_TOPIC", "click-events"),
          "conversion": os.environ.get("KAFKA_CONVERSION_TOPIC", "conversion-events")}


def database():
    return psycopg.connect(host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], user=os.environ["DB_USER"],
                           password=os.environ.get("DB_PASSWORD", ""), dbname=os.environ["DB_NAME"], autocommit=True)


class Customers:
    """Makes customers' events and puts them into Kafka."""

    def __init__(self, partitions, first_ms):
        self.rng = random.Random(1)
        self.partitions, self.first_ms = partitions, first_ms
        self.campaigns = [model.new_uuid(self.rng) for _ in range(CAMPAIGNS)]
        self.producer = Producer({"bootstrap.servers": os.environ["KAFKA_URL"], "linger.ms": 20, "acks": "all",
                                  "enable.idempotence": True, "queue.buffering.max.messages": 500_000})
        self.sent = 0

    def customer(self):
        rng = self.rng
        user, ms = model.new_uuid(rng), self.first_ms + rng.randrange(DAYS * model.MS_PER_DAY)
        for _ in range(rng.choice((1, 2, 3))):
            self._send(model.Event("click", model.new_uuid(rng), ms - rng.randrange(2 * model.MS_PER_DAY), user,
                                   rng.choice(self.campaigns), f"source-{rng.randrange(SOURCES)}"))
        self._send(model.Event("conversion", model.new_uuid(rng), ms, user, rng.choice(self.campaigns),
                               f"source-{rng.randrange(SOURCES)}", "purchase", rng.randrange(1, 20_000)))

    def _send(self, event):
        while True:
            try:
                self.producer.produce(TOPICS[event.kind], event.message(), event.user.encode(),
                                      partition_of(event.user, self.partitions))
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)
        self.sent += 1

    def flush(self):
        assert self.producer.flush(120) == 0


def stored(db):
    return db.execute("SELECT sum(stored[1] + stored[2]) FROM partition_fences").fetchone()[0] or 0


def wait_stored(db, wanted):
    began, before = time.monotonic(), stored(db)
    while stored(db) < wanted:
        time.sleep(0.5)
    seconds = time.monotonic() - began
    print(f"{wanted - before} events booked in {seconds:.1f} s", flush=True)


def recompute(*args):
    """Run the tool; its changes, and how long it took. Its progress goes to our stderr."""
    began = time.monotonic()
    done = subprocess.run([ROOT / "build/tyrattribution", "recompute", *args, "--format=ndjson"], stdout=subprocess.PIPE,
                          text=True, check=True)
    seconds = time.monotonic() - began
    return [json.loads(line) for line in done.stdout.splitlines()], seconds


def go_on(customers, rate, stop):
    """Customers of the month before the history, so many events a second."""
    while not stop.wait(0.05):
        for _ in range(max(1, round(rate / 60))):
            customers.customer()
    customers.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversions", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1000, help="events a second meanwhile")
    args = parser.parse_args()
    db = database()
    partitions = db.execute("SELECT partitions FROM deployment").fetchone()[0]
    first_ms = model.now_ms() - (DAYS + 3) * model.MS_PER_DAY
    before = stored(db)
    customers = Customers(partitions, first_ms)
    for _ in range(args.conversions):
        customers.customer()
    customers.flush()
    wait_stored(db, before + customers.sent)
    wish = ("--from", model.rfc3339(first_ms), "--window", "3d")
    said, seconds = recompute(*wish, "--dry-run")
    print(f"dry run: {len(said)} changes in {seconds:.1f} s", flush=True)
    earlier, stop = Customers(partitions, first_ms - (DAYS + 5) * model.MS_PER_DAY), threading.Event()
    thread = threading.Thread(target=go_on, args=(earlier, args.rate, stop))
    thread.start()
    try:
        done, seconds = recompute(*wish)
    finally:
        stop.set()
        thread.join()
    print(f"recomputed {args.conversions} conversions in {seconds:.1f} s, {earlier.sent} events came meanwhile", flush=True)
    wait_stored(db, before + customers.sent + earlier.sent)
    print("the dry run said what was done" if said == done else "THE DRY RUN SAID SOMETHING ELSE")
    code = subprocess.run([ROOT / "build/tyrattribution", "reconcile"], check=False).returncode
    return 0 if said == done and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
