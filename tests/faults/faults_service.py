"""Faults of the services' processes: killed, frozen, restarted in an orderly way, connections ended by the server."""

import os
import pathlib
import signal

from fault import Fault
from stage import is_frozen


def children(pid):
    """The pids of a process' children."""
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


class Kill(Fault):
    """SIGKILL for a service with all its children, then a start on the same data."""

    def __init__(self, stage, rng, name):
        super().__init__(stage, rng)
        self._name = name
        self._pid = 0

    def inject(self):
        pid = self.stage.services.pid(self._name)
        self.stage.services.harness.kill(self._name)
        self._pid = pid

    def heal(self):
        self.stage.services.harness.start(self._name)

    def was_hit(self):
        return self._pid not in (0, self.stage.services.pid(self._name))


class Restart(Kill):
    """An orderly stop, which ends all connections, and a start."""

    def inject(self):
        pid = self.stage.services.pid(self._name)
        self.stage.services.harness.stop(self._name)
        self._pid = pid


class Freeze(Fault):
    """SIGSTOP for a service and all its children, SIGCONT later."""

    def __init__(self, stage, rng, name):
        super().__init__(stage, rng)
        self._name = name
        self._pids = []
        self._were_frozen = False

    def inject(self):
        pid = self.stage.services.pid(self._name)
        os.kill(pid, signal.SIGSTOP)
        self._pids = [pid]
        for child in children(pid):
            try:
                os.kill(child, signal.SIGSTOP)
                self._pids.append(child)
            except ProcessLookupError:
                pass                # it has just ended

    def heal(self):
        self._were_frozen = bool(self._pids) and is_frozen(self._pids[0])
        for pid in reversed(self._pids):
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
        self._pids = []

    def was_hit(self):
        return self._were_frozen


class TerminateBackends(Fault):
    """pg_terminate_backend for every writer that is inside a transaction, over and over."""

    _STATEMENT = ("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
                  " AND application_name LIKE 'tyrattribution writer%%' AND xact_start IS NOT NULL")

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._terminated = 0

    def hold(self, seconds):
        with self.stage.services.harness.postgres() as pg:
            def strike():
                row = pg.execute(self._STATEMENT, (self.stage.world.name,)).fetchone()
                self._terminated += row[0]
            self.repeat(seconds, self.rng.choice((0.02, 0.1, 0.3)), strike, self.was_hit)

    def was_hit(self):
        return self._terminated > 0
