"""Faults of the network between the program and a service, made by its proxy."""

from fault import Fault


class Cut(Fault):
    """All connections reset, over and over; new ones are welcome."""

    def __init__(self, stage, rng, name):
        super().__init__(stage, rng)
        self._proxy = stage.proxies[name]
        self._cut = 0

    def hold(self, seconds):
        def strike():
            self._cut += self._proxy.cut()
        self.repeat(seconds, self.rng.choice((0.15, 0.4, 0.8)), strike, self.was_hit)

    def was_hit(self):
        return self._cut > 0


class Refuse(Fault):
    """All connections reset and new ones refused."""

    def __init__(self, stage, rng, name):
        super().__init__(stage, rng)
        self._proxy = stage.proxies[name]
        self._cut = 0

    def inject(self):
        before = self._proxy.cuts
        self._proxy.refuse()
        self._cut = self._proxy.cuts - before

    def heal(self):
        self._proxy.heal()

    def was_hit(self):
        return self._cut > 0


class _Slow(Fault):
    """Bytes arrive late or not at all; connections stay open."""

    def __init__(self, stage, rng, name):
        super().__init__(stage, rng)
        self._proxy = stage.proxies[name]
        self._before = self._proxy.slowed

    def hold(self, seconds):
        self.wait(seconds, self.was_hit)

    def heal(self):
        self._proxy.heal()

    def was_hit(self):
        return self._proxy.slowed > self._before


class Hold(_Slow):
    """A black hole: nothing passes until it is over, then everything does."""

    def inject(self):
        self._proxy.hold()


class Delay(_Slow):
    """Everything passes 50 to 400 ms later."""

    def inject(self):
        self._proxy.delay(self.rng.choice((0.05, 0.15, 0.4)))


class Throttle(_Slow):
    """A connection passes only 4 to 32 KB a second."""

    def inject(self):
        self._proxy.throttle(self.rng.choice((4_000, 12_000, 32_000)))


class CutCommits(Fault):
    """PostgreSQL connections reset after the COMMIT was forwarded and before its answer."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._proxy = stage.proxies["postgres"]
        self._before = self._proxy.commit_cuts

    def inject(self):
        self._proxy.cut_commits(self.rng.random(), self.rng.choice((1, 3, 6)))

    def hold(self, seconds):
        self.wait(seconds, self.was_hit)

    def heal(self):
        self._proxy.heal()

    def was_hit(self):
        return self._proxy.commit_cuts > self._before
