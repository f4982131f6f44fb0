#!/usr/bin/env python3
"""Measure the program beside the limits of its parts, in alternation, on services of its own.

    make bench                                  every case; the table, and build/bench/TIME.json
    make bench ONLY=ingest,batch-1000 SECONDS=5 ROUNDS=2
    make bench-compare BASE=file [NEW=file]     the newest result, or that one, beside an earlier one
"""

import argparse
import dataclasses
import os
import pathlib
import signal
import sys
import time

import bench_backlog
import bench_flow
import bench_http
import bench_probe
import bench_result
import bench_scale
from bench_rig import BUILD, ROOT, BenchError, Rig

RESULTS = BUILD / "bench"


@dataclasses.dataclass(frozen=True)
class Case:
    """One line of the table of cases: run(rig, case, settings, **args) answers rows."""
    name: str
    what: str
    run: object
    args: dict


def case(name, what, run, **args):
    return Case(name, what, run, args)


CASES = (
    *(case(f"ingest-{n}", f"click a request, {n} connections, ROLE=ingest", bench_http.ingest, connections=n,
           role="ingest") for n in (1, 64, 256)),
    *(case(f"ingest-all-{n}", f"click a request, {n} connections, ROLE=all", bench_http.ingest, connections=n,
           role="all") for n in (1, 64, 256)),
    *(case(f"batch-{n}", f"batches of {n:,}, beside librdkafka alone", bench_http.batches, size=n)
      for n in (10, 100, 1000)),
    case("backlog", "a backlog to committed rows", bench_backlog.backlog),
    case("backlog-stored", "a backlog", bench_backlog.stored),
    case("backlog-campaigns", "a backlog", bench_backlog.many_campaigns, campaigns=(1, 1000, 100_000)),
    case("plans", "plans of a backlog's statements", bench_backlog.plans),
    case("sustained", "ingest and processing at RATE", bench_flow.steady, share=1, minutes=0),
    case("clients", "keep-alive clients: p99", bench_scale.clients),
    case("k6", "k6, CLIENTS virtual users: p95", bench_scale.k6),
    *(case(f"statistics-{n}", f"a year by day, {n} connections", bench_http.statistics, connections=n)
      for n in (1, 16, 256)),
    *(case(f"statistics-ingest-{n}", f"the same, {n} connections, 10,000 events/s come in", bench_http.statistics,
           connections=n, rate=10000) for n in (1, 16, 256)),
    case("statistics-hot-16", "one campaign's year, 16 connections", bench_http.statistics, connections=16,
         campaigns=1),
    case("statistics-cold-16", "a year not in the cache, 16 connections", bench_http.statistics, connections=16,
         cold=True),
    *(case(f"live-{n}", f"today's numbers, {n} connections", bench_http.live, connections=n) for n in (1, 16, 256)),
    *(case(f"freshness-{n}", f"201 to visible, p99, {n:,} events/s", bench_flow.freshness, rate=n)
      for n in (100, 5000, 20000)),
    case("idle-256", "memory idle, 256 workers", bench_scale.idle, workers=256),
    case("idle-default", "memory idle, default settings", bench_scale.idle, workers=None),
    case("start-10000", "from start to ready, 10,000 workers", bench_scale.start, workers=10_000),
    case("connections", "memory a kept connection that has carried a click", bench_scale.connections),
    case("soak", "half of RATE for MINUTES", bench_flow.steady, share=0.5, minutes=1),
)


def chosen(only):
    """The cases named, or whose names begin so."""
    if not only:
        return list(CASES)
    found = []
    for word in only.split(","):
        exact = [c for c in CASES if c.name == word]
        fitting = exact or [c for c in CASES if c.name.startswith(word)]
        if not word or not fitting:
            raise BenchError(f"ONLY={only}: no case is named or begins '{word}'; there are "
                             f"{', '.join(c.name for c in CASES)}")
        found += [c for c in fitting if c not in found]
    return found


def measure(rig, cases, settings, rows):
    """Run cases and add their rows; how many failed."""
    failed = 0
    if settings.warm:
        bench_http.warm(rig, settings.warm)
    for done, one in enumerate(cases, 1):
        began = time.monotonic()
        try:
            rows += one.run(rig, one, settings, **one.args)
        except BenchError as error:
            failed += 1
            print(f"bench: {one.name} failed: {error}", file=sys.stderr, flush=True)
        seconds = time.monotonic() - began
        print(f"bench: {done}/{len(cases)} {one.name}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return failed


def run(settings):
    """Run the chosen cases, print the table, write the file; the exit status. A signal keeps what there is."""
    cases, rows, head = chosen(settings.only), [], {}
    try:
        with Rig(settings.binary, KAFKA_PARTITIONS=settings.partitions, WRITERS=settings.writers) as rig:
            head = {"machine": bench_probe.machine(), "versions": bench_probe.versions(rig, ROOT),
                    "settings": {key: value for key, value in vars(settings).items()
                                 if key not in ("command", "binary", "only")}}
            failed = measure(rig, cases, settings, rows)
    finally:
        if rows:
            print(" ".join(f"{key}={value}" for part in head.values() for key, value in part.items()))
            print(bench_result.table(rows))
            print(f"written to {bench_result.save(RESULTS, head, rows)}")
    return 1 if failed else 0


def compare(args):
    """Print the comparison; the exit status."""
    try:
        if not args.base:
            raise BenchError("which result to compare with? make bench-compare BASE=file")
        new = pathlib.Path(args.new) if args.new else bench_result.newest(RESULTS)
        print(f"base {args.base}, new {new}")
        print(bench_result.compare(bench_result.load(args.base), bench_result.load(new)))
    except ValueError as error:
        raise BenchError(str(error)) from None
    return 0


def number(kind, least):
    """An argument's type: a number that is so large, or over zero for least None."""
    def parse(text):
        value = kind(text)
        if value < (least or 0) or (least is None and value == 0):
            raise ValueError
        return value
    parse.__name__ = "number over zero" if least is None else f"number from {least}"
    return parse


def positive(kind):
    return number(kind, None)


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_run = commands.add_parser("run", epilog="cases: " + ", ".join(c.name for c in CASES))
    of_run.add_argument("--only", default="", help="names of cases, or how they begin, with commas")
    of_run.add_argument("--seconds", type=positive(float), default=10, help="of each measurement (%(default)s)")
    of_run.add_argument("--rounds", type=positive(int), default=3, help="alternations (%(default)s)")
    of_run.add_argument("--workers", type=positive(int), default=512, help="HTTP threads of both (%(default)s)")
    of_run.add_argument("--partitions", type=positive(int), default=8, help="of each topic (%(default)s)")
    of_run.add_argument("--writers", type=positive(int), default=2, help="WRITERS of the program (%(default)s)")
    of_run.add_argument("--events", type=positive(int), default=300_000, help="of a backlog (%(default)s)")
    of_run.add_argument("--stored", type=number(int, 0), default=1_000_000,
                        help="events before backlog-stored and plans (%(default)s)")
    of_run.add_argument("--campaigns", type=positive(int), default=20, help="of a backlog (%(default)s)")
    of_run.add_argument("--rate", type=positive(int), default=25_000, help="events a second of sustained (%(default)s)")
    of_run.add_argument("--minutes", type=positive(float), default=None,
                        help="of the soak (1) and of sustained (as --seconds)")
    of_run.add_argument("--clients", type=positive(int), default=10_000, help="keep-alive clients (%(default)s)")
    of_run.add_argument("--warm", type=number(float, 0), default=8, help="seconds of load before all (%(default)s)")
    of_compare = commands.add_parser("compare")
    of_compare.add_argument("--base", default="")
    of_compare.add_argument("--new", default="")
    args = parser.parse_args(argv)
    args.binary = os.environ.get("TYR_BINARY") or str(BUILD / "tyrattribution")
    return args


def main():
    def end(*_):
        sys.exit(143)
    signal.signal(signal.SIGTERM, end)
    args = parse_args(sys.argv[1:])
    try:
        return run(args) if args.command == "run" else compare(args)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
