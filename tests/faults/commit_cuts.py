"""
200 connections cut between COMMIT and its answer, under load: nothing may be lost or counted twice.

    commit_cuts.py --seed 1 --cuts 200

One instance with several writers; its proxy to PostgreSQL forwards one in three of their COMMITs, swallows the
answer and resets the connection. Ends with status 1 if anything was lost, doubled or wrong, or if there were
not so many cuts.
"""

import argparse
import random
import sys
import tempfile
import time

import checks
from fresh import Fresh
from ledger import Ledger
from load import Crowd, Load
from plan import Plan
from stage import Services, Stage

WRITERS = 4
COMMITS_PER_CUT = 3
LIMIT_S = 300


class _Plan(Plan):
    """One instance with more writers than usual."""

    @property
    def options(self):
        return {"WRITERS": WRITERS}


def _cut(stage, seed, cuts):
    """Cut until there were enough; everything that is wrong afterwards."""
    load = Load(seed, Crowd(random.Random(seed)), stage.ledger, stage.addresses)
    proxy = stage.proxies["postgres"]
    end = time.monotonic() + LIMIT_S
    proxy.cut_commits(seed, COMMITS_PER_CUT)
    while proxy.commit_cuts < cuts and time.monotonic() < end:
        time.sleep(0.1)
    proxy.heal()
    left = load.stop(20)
    findings = [checks.Finding("wrong", left, "events were still refused at the end")] if left else []
    stage.world.wait_processed()
    return findings + checks.all_checks(stage, Fresh(stage, random.Random(seed)))


def run(services, seed, cuts):
    """Play it; the exit status."""
    with tempfile.TemporaryDirectory(prefix="tyr-faults-") as work, services.harness.redis_number() as redis_db:
        stage = Stage(services, work, redis_db, Ledger(), _Plan(0, seed, 1, []))
        try:
            stage.open()
            findings = _cut(stage, seed, cuts)
        finally:
            services.heal()
            problem = stage.close()
    if problem:
        findings.append(checks.Finding("wrong", 1, problem))
    proxy = stage.proxies["postgres"]
    counts = {what: sum(f.count for f in findings if f.what == what) for what in ("lost", "doubled", "wrong")}
    print(f"{stage.ledger.acknowledged()} events acknowledged, {counts['lost']} lost, {counts['doubled']} doubled,"
          f" {counts['wrong']} wrong, {proxy.commit_cuts} connections cut, of these {proxy.commits_swallowed} after"
          " PostgreSQL had answered")
    for finding in findings:
        print(f"FOUND {finding.what} {finding.count}: {finding.text}")
    return 0 if not findings and proxy.commit_cuts >= cuts else 1


def main():
    """The program; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 31)))
    parser.add_argument("--cuts", type=int, default=200)
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    services = Services()
    try:
        return run(services, args.seed, args.cuts)
    finally:
        services.close()


if __name__ == "__main__":
    sys.exit(main())
