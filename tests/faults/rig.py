"""
Proves "exact under every fault": seeded schedules of faults against real services, checked from outside.

    rig.py --seed 1 --number 100        100 schedules; the table at the end
    rig.py --seed 1 --only 7            schedule 7 of that seed again
    rig.py --cells 'redis-*'            only these cells
    rig.py --list                       what the cells are
    rig.py --self-test                  does every check fail on damage made by hand?

Ends with status 1 if anything was lost, doubled or wrong, or if a cell that was drawn was never hit.
"""

import argparse
import fnmatch
import os
import pathlib
import random
import signal
import sys
import time

import report
from cells import CELLS
from plan import plans
from schedule import Schedule
from stage import ROOT, Services

OUT = ROOT / "build" / "faults"
AGAIN_MAX = 3           # schedules for a cell that was never hit


def parse(argv):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 31)))
    parser.add_argument("--number", type=int, default=20, help="how many schedules")
    parser.add_argument("--only", type=int, help="only the schedule with this number")
    parser.add_argument("--seconds-max", type=float, help="begin no schedule after so many seconds")
    parser.add_argument("--cells", default="*", help="only cells whose names match this")
    parser.add_argument("--report", type=pathlib.Path, help="where the JSON goes")
    parser.add_argument("--list", action="store_true", help="print the cells and end")
    parser.add_argument("--self-test", action="store_true", help="check the checks and end")
    return parser.parse_args(argv)


def possible_cells(pattern):
    """The cells that match and that this user can play."""
    is_root = os.geteuid() == 0
    return [cell for cell in CELLS if fnmatch.fnmatch(cell.name, pattern) and (is_root or not cell.needs_disk)]


def play(plan, services):
    """Run one schedule and print what came of it; its record."""
    print(plan, flush=True)
    record = Schedule(plan, services).run(OUT / "kept" / plan.seed.replace("/", "-"))
    steps = ", ".join(f"{step['cell']} {'hit' if step['hit'] else 'MISSED'}"
                      + ("" if step["recovery"] is None else f" {step['recovery']:.1f} s")
                      for step in record["steps"])
    print(f"    {record['seconds']:.0f} s: {record['acknowledged']} of {record['sent']} acknowledged,"
          f" {record['lost']} lost, {record['doubled']} doubled, {record['wrong']} wrong; {steps}", flush=True)
    for finding in record["findings"]:
        print(f"    FOUND {finding}", flush=True)
    return record


def keep(args, records):
    """Write the report so far."""
    name = args.seed.replace("/", "-")
    report.write(args.report or OUT / f"report-{name}.json", args.seed, records)


def play_all(args, cells, services):
    """Run the schedules; their records."""
    records = []
    began = time.monotonic()
    for plan in plans(args.seed, cells):
        if plan.number > args.number and plan.number != args.only:
            break
        if args.seconds_max and time.monotonic() - began > args.seconds_max:
            break
        if args.only in (None, plan.number):
            records.append(play(plan, services))
            keep(args, records)
        if plan.number == args.only:
            break
    return records


def never_hit(records):
    """The names of the cells that were drawn, but whose fault never struck."""
    steps = [step for record in records for step in record["steps"]]
    return sorted({step["cell"] for step in steps} - {step["cell"] for step in steps if step["hit"]})


def play_missed_again(args, cells, services, records):
    """A fault may strike between two events: cells that were never hit get some more schedules of their own."""
    for turn in range(1, AGAIN_MAX + 1):
        for name in never_hit(records):
            cell = next(cell for cell in cells if cell.name == name)
            records.append(play(next(plans(f"{args.seed}/again-{turn}", [cell])), services))
            keep(args, records)


def verdict(records):
    """Print the table; the exit status."""
    print("\n" + report.markdown(records))
    missed = never_hit(records)
    for name in missed:
        print(f"never hit: {name}")
    is_clean = records and not any(record["findings"] for record in records)
    return 0 if is_clean and not missed else 1


def main(argv):
    """The program; its exit status."""
    args = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that everything started is ended
    if args.list:
        for cell in CELLS:
            print(f"{cell.name:32} {cell.sentence}")
        return 0
    cells = possible_cells(args.cells)
    if not cells:
        print(f"no cell matches {args.cells}", file=sys.stderr)
        return 2
    print(f"seed {args.seed}, {len(cells)} cells; repeat with make faults SEED={args.seed} ONLY=number"
          + ("" if args.cells == "*" else f" CELLS='{args.cells}'"), flush=True)
    services = Services()
    try:
        if args.self_test:
            import selftest     # pylint: disable=import-outside-toplevel
            return selftest.run(services, args.seed)
        records = play_all(args, cells, services)
        play_missed_again(args, cells, services, records)
        return verdict(records)
    finally:
        services.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
