"""Faults of the program's own processes: killed, frozen, stopped, joining and leaving."""

import time

from fault import Fault


class Kill(Fault):
    """SIGKILL for one instance or for all at once, and a restart on the same spool."""

    def __init__(self, stage, rng, everyone=False):
        super().__init__(stage, rng)
        self._victims = list(stage.slots) if everyone else [rng.choice(stage.slots)]
        self._dead = 0

    def inject(self):
        for slot in self._victims:
            slot.kill()
            self._dead += not slot.is_running()

    def heal(self):
        for slot in self._victims:
            if not slot.is_running():
                slot.start()

    def was_hit(self):
        return self._dead == len(self._victims)


class Freeze(Fault):
    """SIGSTOP for one instance, SIGCONT soon after: it still owns its partitions."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._slot = rng.choice(stage.slots)
        self._was_frozen = False

    def inject(self):
        self._slot.freeze()

    def heal(self):
        self._was_frozen = self._slot.is_frozen()
        self._slot.thaw()

    def was_hit(self):
        return self._was_frozen


class Zombie(Freeze):
    """An instance frozen until another has taken over its partitions, then thawed: it must change nothing."""

    _TAKEOVER_S = 20

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._before = {}
        self._taken = 0

    def inject(self):
        self._before = self.stage.owners()
        super().inject()

    def hold(self, seconds):
        end = time.monotonic() + self._TAKEOVER_S
        while time.monotonic() < end and not self._taken:
            time.sleep(0.2)
            now = self.stage.owners()
            self._taken = sum(now[p][0] != owner for p, (owner, _) in self._before.items())
        time.sleep(seconds)

    def was_hit(self):
        return super().was_hit() and self._taken > 0


class Restart(Fault):
    """SIGTERM under load, which must end with status 0, and a new start."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._slot = rng.choice(stage.slots)
        self._exit_code = None

    def inject(self):
        self._exit_code = self._slot.stop()
        if self._exit_code != 0:
            self.stage.ledger.complain(f"SIGTERM under load ended with {self._exit_code}")

    def heal(self):
        if not self._slot.is_running():
            self._slot.start()

    def was_hit(self):
        return self._exit_code is not None


class Join(Fault):
    """One more instance joins, takes partitions, and leaves by SIGTERM."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._slot = None
        self._before = {}
        self._took = 0

    def inject(self):
        self._before = self.stage.owners()
        self._slot = self.stage.add_slot()
        self._slot.start(wait=True)

    def heal(self):
        now = self.stage.owners()
        known = {owner for owner, _ in self._before.values()}
        self._took = sum(owner not in known for owner, _ in now.values())
        exit_code = self._slot.stop()
        if exit_code != 0:
            self.stage.ledger.complain(f"SIGTERM under load ended with {exit_code}")
        self.stage.retire_slot(self._slot)

    def was_hit(self):
        return self._took > 0


class Replace(Fault):
    """Every instance in turn is stopped and started, as an update does it."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._replaced = 0

    def inject(self):
        for slot in self.stage.slots:
            exit_code = slot.stop()
            if exit_code != 0:
                self.stage.ledger.complain(f"SIGTERM under load ended with {exit_code}")
            slot.start(wait=True)
            self._replaced += 1

    def was_hit(self):
        return self._replaced == len(self.stage.slots)
