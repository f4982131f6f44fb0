"""Faults of the disk under the spool, while Kafka is away and the spool is needed."""

from fault import Fault


class _Spooling(Fault):
    """Kafka refuses connections, so that events go to the spool; subclasses break the spool as well."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._proxy = stage.proxies["kafka"]
        self._before = 0            # the metric of the subclass, before it began

    def _count(self, metric):
        return sum(slot.metrics().get(metric, 0) for slot in self.stage.slots)

    def inject(self):
        self._proxy.refuse()

    def heal(self):
        self._proxy.heal()


class Spool(_Spooling):
    """Nothing else: events are answered 201 from the spool."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._appended = 0

    def inject(self):
        self._before = self._count("tyr_spool_appended_total")
        super().inject()

    def hold(self, seconds):
        def is_used():
            self._appended = self._count("tyr_spool_appended_total") - self._before
            return self._appended > 0
        self.wait(seconds, is_used)

    def was_hit(self):
        return self._appended > 0


class SpoolKill(_Spooling):
    """And an instance that has records in its spool is killed and started again."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._slot = rng.choice(stage.slots)
        self._records = 0

    def hold(self, seconds):
        def has_records():
            self._records = self._slot.metrics().get("tyr_spool_records", 0)
            return self._records > 0
        self.wait(seconds, has_records)
        has_records()
        self._slot.kill()

    def heal(self):
        if not self._slot.is_running():
            self._slot.start()
        super().heal()

    def was_hit(self):
        return self._records > 0


class SpoolFull(_Spooling):
    """And there is no room: on the disk, or by SPOOL_MAX_BYTES, which the cell sets."""

    def __init__(self, stage, rng, fill=True):
        super().__init__(stage, rng)
        self._fill = fill
        self._refused = 0

    def _refusals(self):
        return self._count("tyr_spool_refused_total") + self._count("tyr_spool_failures_total")

    def inject(self):
        self._before = self._refusals()
        if self._fill:
            self.stage.disk.fill(self.rng.choice((0, 4096, 16_384)))
        super().inject()

    def hold(self, seconds):
        def is_refusing():
            self._refused = self._refusals() - self._before
            return self._refused > 0
        self.wait(seconds, is_refusing)

    def heal(self):
        if self._fill:
            self.stage.disk.drain()
        super().heal()

    def was_hit(self):
        return self._refused > 0


class SpoolFsync(_Spooling):
    """And every fsync of a file under the spool fails with EIO (fsync_shim.c)."""

    def _has_failed(self):
        hits = self.stage.fsync_flag.with_suffix(".hits")
        return hits.exists() and hits.stat().st_size > 0

    def inject(self):
        super().inject()
        self.stage.fsync_flag.touch()

    def hold(self, seconds):
        self.wait(seconds, self._has_failed)

    def heal(self):
        self.stage.fsync_flag.unlink(missing_ok=True)
        super().heal()

    def was_hit(self):
        return self._has_failed()
