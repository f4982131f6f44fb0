#!/usr/bin/env python3
"""Takes a store away under constant load, and measures what clients, the processor and the log notice.

    outages.py postgres [--seconds 120] [--rate 1000] [--repeat 1]    PostgreSQL is killed, comes back
    outages.py kafka    [--seconds 60]  [--rate 2000] [--repeat 1]    Kafka is killed, comes back

Starts private services and the program (TYR_TEST_SERVICES=DIR uses and keeps those of a folder), offers single
clicks over keep-alive connections at a constant rate (offer.c, an open loop: latency counts from when a request
was due), and prints a table of the time before, during and after each outage: requests, errors, latencies, and the
processor's time by group of threads, in per cent of one core. Then: how long until everything was processed (and
the spool, if there is one, empty), and whether each accepted click is stored exactly once.

Ends with status 1 if an accepted click is missing, stored twice, or not counted.
"""

import argparse
import collections
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import psycopg
from confluent_kafka import KafkaException

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import model                                                        # noqa: E402
from harness import Services, World                                 # noqa: E402

WARM_UP_S = 5
CONNECTIONS = 4096
WORKERS = 4600          # more than the connections, so that none is closed to let others in

# Threads by the beginning of their name. "waiting" is what has nothing to do while PostgreSQL is down.
GROUPS = (
    ("ingest", ("http", "producer", "spool", "civetweb", "tyrattribution")),
    ("librdkafka", ("rdk:",)),
    ("waiting", ("consumer", "writer", "counter", "history", "journal", "live", "query")),
)


# --- measuring -------------------------------------------------------------------------------------

def group_of(name):
    return next((group for group, words in GROUPS if name.startswith(words)), "other")


def processor_times(pid):
    """{(tid, thread's name): seconds used}. From schedstat: stat's ticks are too coarse for so many threads."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            name = (task / "comm").read_text(encoding="utf-8", errors="replace").strip()
            times[task.name, name] = int((task / "schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    return times


class Phase:
    """A stretch of time: when it was, and the processor's time that the program used in it."""

    def __init__(self, name, pid):
        self.name, self.pid = name, pid
        self.began, self.ended = time.monotonic(), None
        self.back = None        # when the store was back, in the phase that begins with its start
        self._before = processor_times(pid)
        self.threads = collections.Counter()

    def end(self):
        after = processor_times(self.pid)
        self.ended = time.monotonic()
        for thread, used in after.items():
            self.threads[thread[1]] += (used - self._before.get(thread, 0)) / (self.ended - self.began) * 100
        return self

    def groups(self):
        sums = collections.Counter()
        for name, percent in self.threads.items():
            sums[group_of(name)] += percent
        return sums


class Load:
    """The generator, in a process of its own."""

    def __init__(self, binary, url, rate, run, samples):
        host, port = url.removeprefix("http://").split(":")
        self.samples = samples
        with open(samples, "wb") as out:
            self._process = subprocess.Popen([binary, host, port, str(rate), str(CONNECTIONS), run], stdout=out)

    def stop(self):
        """[(number, due, latency in ms, status)]"""
        self._process.terminate()
        self._process.wait(60)
        with open(self.samples, encoding="ascii") as lines:
            rows = [line.split() for line in lines]
        return [(int(n), float(due), int(us) / 1000, int(status)) for n, due, us, status in rows]


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def print_table(phases, samples):
    words = [group for group, _ in GROUPS]
    print(f"{'':14}{'s':>6}{'sent':>9}{'errors':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
          + "".join(f"{word + ' %':>14}" for word in words) + f"{'total %':>10}")
    for phase in phases:
        mine = [s for s in samples if phase.began <= s[1] < phase.ended]
        latencies = sorted(s[2] for s in mine)
        groups = phase.groups()
        print(f"{phase.name:14}{phase.ended - phase.began:6.0f}{len(mine):9}{sum(s[3] != 201 for s in mine):9}"
              f"{quantile(latencies, 0.5):9.1f}{quantile(latencies, 0.99):9.1f}{quantile(latencies, 1):9.1f}"
              + "".join(f"{groups[word]:14.1f}" for word in words) + f"{sum(groups.values()):10.1f}")


def print_threads(phase):
    busy = sorted(((percent, name) for name, percent in phase.threads.items() if percent >= 0.1), reverse=True)
    print(f"  threads, {phase.name}: " + ", ".join(f"{name} {percent:.1f}" for percent, name in busy[:14]))


def print_again(store, catching_up, samples):
    """When was everything accepted again?"""
    refused = [due for _, due, _, status in samples if status != 201 and catching_up.began <= due < catching_up.ended]
    if refused:
        print(f"  the last error was {max(refused) - catching_up.back:+.1f} s after {store} was back")


def p99(phase, samples):
    return quantile(sorted(s[2] for s in samples if phase.began <= s[1] < phase.ended), 0.99)


# --- outages ---------------------------------------------------------------------------------------

def behind(world):
    """How many messages of the log are not processed yet; very many where that cannot be asked."""
    with contextlib.suppress(psycopg.Error, KafkaException, OSError):
        return sum(end - max(reached, 0) for reached, end in world.behind().values())
    return sys.maxsize


def wait_for(condition, seconds, what):
    """Poll; how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def spooled(server):
    """Records in the spool; None for a program without one."""
    return server.metrics().get("tyr_spool_records")


def measure_during(name, server, seconds):
    phase = Phase(name, server.pid)
    time.sleep(seconds)
    return phase.end()


def outage(world, server, args, number):
    """One outage; its phases."""
    phases = [measure_during(f"before {number}", server, args.before)]
    world.services.kill(args.store)
    phases.append(measure_during(f"down {number}", server, args.seconds))
    catching_up = Phase(f"catching up {number}", server.pid)
    world.services.start(args.store)
    back = time.monotonic()
    if args.store == "kafka" and spooled(server) is not None:
        took = wait_for(lambda: spooled(server) == 0, 300, "the spool is empty")
        print(f"  the spool was empty {took:.1f} s after Kafka was back")
    wait_for(lambda: behind(world) < args.rate / 2, 600, "the log is processed up to half a second")
    print(f"  processed up to half a second's events {time.monotonic() - back:.1f} s after {args.store} was back")
    phases.append(catching_up.end())
    phases[-1].back = back
    phases.append(measure_during(f"after {number}", server, args.before))
    return phases


def check(world, samples, run):
    """Is each accepted click stored once, and do all the sums say so? The number of things that are wrong."""
    accepted = {f"{run}-0000-4000-8000-{n:012x}" for n, _, _, status in samples if status == 201}
    stored = collections.Counter(str(row[0]) for row in world.sql("SELECT click_id FROM click_events"))
    missing = accepted - stored.keys()
    twice = [i for i, n in stored.items() if n > 1]
    db = world.db()
    sums_agree = model.recount(db) == {k: v for k, v in model.day_shares(db).items() if v != model.Totals()}
    letters = world.sql("SELECT count(*) FROM dead_letters")[0][0]
    print(f"accepted {len(accepted)}, stored {sum(stored.values())} (of them not accepted but sent: "
          f"{len(stored.keys() - accepted)}), missing {len(missing)}, twice {len(twice)}, dead letters {letters}, "
          f"sums {'agree' if sums_agree else 'DISAGREE'}")
    return len(missing) + len(twice) + letters + (not sums_agree)


def run_outages(world, args, binary):
    spool = world.dir / "spool"
    spool.mkdir()
    server = world.serve(HTTP_WORKERS=WORKERS, KAFKA_PARTITIONS=8, SPOOL_DIR=spool if args.spool else None)
    run = f"{os.getpid() & 0xffffffff:08x}"
    load = Load(binary, server.url, args.rate, run, world.dir / "samples")
    try:
        time.sleep(WARM_UP_S)
        phases = [phase for i in range(args.repeat) for phase in outage(world, server, args, i + 1)]
    finally:
        samples = load.stop()
    stopped = time.monotonic()
    wait_for(lambda: behind(world) == 0, 600, "everything is processed")
    print(f"everything processed {time.monotonic() - stopped:.1f} s after the load had ended")
    print_table(phases, samples)
    for i in range(args.repeat):
        before, down, catching_up, _ = phases[4 * i:4 * i + 4]
        print_threads(before)
        print_threads(down)
        print_again(args.store, catching_up, samples)
        print(f"p99 during outage {i + 1}: {p99(down, samples) / p99(before, samples):.2f} times that before; "
              f"waiting threads {down.groups()['waiting']:.1f} % of a core, the whole program "
              f"{sum(down.groups().values()) - sum(before.groups().values()):+.1f} % against before")
    return check(world, samples, run)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("store", choices=("postgres", "kafka"))
    parser.add_argument("--seconds", type=float, help="length of an outage (default: postgres 120, kafka 60)")
    parser.add_argument("--rate", type=int, help="clicks per second (default: postgres 1000, kafka 2000)")
    parser.add_argument("--repeat", type=int, default=1, help="outages, one after the other")
    parser.add_argument("--before", type=float, default=20, help="seconds to measure before and after each")
    parser.add_argument("--no-spool", dest="spool", action="store_false", help="set no SPOOL_DIR")
    args = parser.parse_args()
    args.seconds = args.seconds or {"postgres": 120, "kafka": 60}[args.store]
    args.rate = args.rate or {"postgres": 1000, "kafka": 2000}[args.store]

    with tempfile.TemporaryDirectory(prefix="tyr-outage-") as directory:
        binary = os.path.join(directory, "offer")
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-o", binary,
                        str(HERE / "offer.c")], check=True)
        services = Services()
        try:
            services.heal()
            with services.redis_number() as number:
                world = World(services, directory, number)
                try:
                    wrong = run_outages(world, args, binary)
                finally:
                    with contextlib.redirect_stdout(io.StringIO()):     # it prints the log for pytest
                        world.close()
        finally:
            services.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
