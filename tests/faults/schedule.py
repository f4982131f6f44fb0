"""
Runs one schedule: a fresh world, load, the planned faults one after the other, healing, and the checks.
"""

import contextlib
import random
import tempfile
import time

import checks
from checks import Finding
from fresh import Fresh
from ledger import Ledger
from load import Crowd, Load
from stage import Stage, harness

BACKLOG_S = 3.5         # how long PostgreSQL is a black hole, so that there is something to catch up with
BACKLOG_MIN = 100       # events; fewer are no backlog
RECOVERY_S = 30 * harness.SLOW         # a recovery that takes longer has failed
REPEAT_S = 20 * harness.SLOW           # how long clients may repeat after everything was healed
SETTLE_S = 30 * harness.SLOW


class Schedule:
    """One plan, being played."""

    def __init__(self, plan, services):
        self._plan = plan
        self._services = services
        self._rng = random.Random(f"{plan.seed} events")
        self._ledger = Ledger()
        self._stage = None
        self._findings = []
        self._steps = []

    # faults


    def _make_backlog(self):
        """Let events pile up in Kafka; how many there are when processing begins again."""
        proxy = self._services.proxies["postgres"]
        before = self._ledger.acknowledged()
        proxy.hold()
        time.sleep(BACKLOG_S)
        backlog = self._ledger.acknowledged() - before
        proxy.heal()
        return backlog

    def _play(self, step):
        """Inject, hold, heal; was it hit while events were sent?"""
        time.sleep(step.pause)
        rng = random.Random(f"{self._plan.seed} {step.cell.name}")
        backlog = self._make_backlog() if step.cell.catching_up else BACKLOG_MIN
        faults = [make(self._stage, rng) for make in step.cell.faults]
        attempts = self._ledger.attempts
        with contextlib.ExitStack() as healing:
            for fault in faults:
                healing.callback(fault.heal)
                fault.inject()
            seconds = step.seconds / len(faults)
            for fault in faults:
                fault.hold(seconds)
        return (backlog >= BACKLOG_MIN and self._ledger.attempts > attempts
                and all(fault.was_hit() for fault in faults))

    def _recover(self):
        """Seconds until fresh events pass."""
        seconds = Fresh(self._stage, self._rng).pass_through(RECOVERY_S)
        if seconds is None:
            self._findings.append(Finding("wrong", 1, f"fresh events did not pass within {RECOVERY_S:g} s of healing"))
        return seconds

    def _run_steps(self):
        for step in self._plan.steps:
            hit = self._play(step)
            recovery = self._recover() if step.waits else None
            self._steps.append({"cell": step.cell.name, "hit": hit, "recovery": recovery})

    # the end

    def _is_settled(self):
        """Nothing is on its way any more, as far as can be seen from outside."""
        for slot in self._stage.slots:
            metrics = slot.metrics()
            if slot.admin_status("/readyz") != 200 or not metrics:
                return False
            if metrics.get("tyr_spool_records", 0) or metrics.get("tyr_kafka_inflight_messages", 0):
                return False
        return not self._stage.world.behind()

    def _settle(self, load):
        self._stage.heal()
        left = load.stop(REPEAT_S)
        if left:
            self._findings.append(Finding("wrong", left, f"{left} events were still refused {REPEAT_S:g} s after all"
                                          " was healed"))
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            with contextlib.suppress(Exception):
                if self._is_settled():
                    return
            time.sleep(0.1)
        self._findings.append(Finding("wrong", 1, f"not at rest {SETTLE_S:g} s after all was healed:"
                                      f" behind {self._stage.world.behind()}"))

    def _play_all(self):
        load = Load(self._plan.seed, Crowd(self._rng), self._ledger, self._stage.addresses)
        try:
            self._run_steps()
            self._settle(load)
            self._findings += checks.all_checks(self._stage, Fresh(self._stage, self._rng))
        finally:
            if not load.is_stopping.is_set():
                load.stop(0)

    def run(self, kept):
        """Play the plan; the record of the report. Logs go into the folder `kept` if something was found."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="tyr-faults-") as work, \
                self._services.harness.redis_number() as redis_db:
            self._stage = Stage(self._services, work, redis_db, self._ledger, self._plan)
            try:
                self._stage.open()
                self._play_all()
            except Exception as error:  # pylint: disable=broad-except
                # What keeps a check from being made is a finding, too.
                self._findings.append(Finding("wrong", 1, f"{type(error).__name__}: {error}"))
            finally:
                self._services.heal()
                problem = self._stage.close()
            if problem:
                self._findings.append(Finding("wrong", 1, f"at the end: {problem}"))
            if self._findings:
                self._stage.keep_logs(kept)
        return self._record(time.monotonic() - began)

    def _record(self, seconds):
        counts = {what: sum(f.count for f in self._findings if f.what == what) for what in ("lost", "doubled", "wrong")}
        return {"number": self._plan.number, "seed": self._plan.seed, "plan": str(self._plan), "steps": self._steps,
                "seconds": round(seconds, 1), "sent": len(self._ledger.entries()),
                "acknowledged": self._ledger.acknowledged(), **counts,
                "findings": [f"{f.what} {f.count}: {f.text}" for f in self._findings]}
