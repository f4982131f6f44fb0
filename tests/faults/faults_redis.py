"""Faults of Redis' data: emptied, set back to an older state, read-only, out of memory, keys gone."""

import pathlib

import redis
from fault import Fault


class _RedisFault(Fault):
    """Keeps the clients of the server and of the world's database."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._server = stage.services.harness.redis()
        self._db = stage.world.redis()


class FlushAll(_RedisFault):
    """FLUSHALL, over and over."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._gone = 0

    def hold(self, seconds):
        def strike():
            self._gone += self._db.dbsize()
            self._server.flushall()
        self.repeat(seconds, self.rng.choice((0.05, 0.5, 1.5)), strike, self.was_hit)

    def was_hit(self):
        return self._gone > 0


class DeleteKeys(_RedisFault):
    """A random half of the keys deleted, over and over, as an eviction would."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._gone = 0

    def hold(self, seconds):
        def strike():
            keys = sorted(self._db.keys())
            if keys:
                self._gone += self._db.delete(*self.rng.sample(keys, (len(keys) + 1) // 2))
        self.repeat(seconds, self.rng.choice((0.05, 0.3)), strike, self.was_hit)

    def was_hit(self):
        return self._gone > 0


class OldSnapshot(_RedisFault):
    """All keys as they were when the fault began, put back in one step."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._raw = redis.Redis(connection_pool=redis.ConnectionPool(
            **{**self._db.connection_pool.connection_kwargs, "decode_responses": False}))
        self._kept = {}
        self._newer = 0

    def _dump(self):
        return {key: self._raw.dump(key) for key in self._raw.keys()}

    def inject(self):
        self.wait(0, self._db.dbsize)
        self._kept = self._dump()

    def hold(self, seconds):
        self.wait(seconds, lambda: self._dump() != self._kept)

    def heal(self):
        now = self._dump()
        self._newer = sum(now.get(key) != value for key, value in self._kept.items())
        with self._raw.pipeline(transaction=True) as pipe:
            pipe.flushdb()
            for key, value in self._kept.items():
                if value is not None:
                    pipe.restore(key, 0, value)
            pipe.execute()

    def was_hit(self):
        return self._newer > 0


class OldFile(_RedisFault):
    """SAVE, later SIGKILL and a restart, which loads what was saved."""

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._file = pathlib.Path(stage.services.harness.dir, "redis", "dump.rdb")
        self._loaded = 0

    def inject(self):
        self._server.save()

    def heal(self):
        self.stage.services.harness.kill("redis")
        self.stage.services.harness.start("redis")
        self._loaded = self._db.dbsize()
        self._file.unlink(missing_ok=True)

    def was_hit(self):
        return self._loaded > 0


class _Refusing(_RedisFault):
    """Redis answers every write with an error for a while."""

    _PROBE = "faults:probe"

    def __init__(self, stage, rng):
        super().__init__(stage, rng)
        self._refused = False

    def hold(self, seconds):
        super().hold(seconds)
        try:
            self._server.set(self._PROBE, 1)
        except redis.ResponseError:
            self._refused = True

    def was_hit(self):
        return self._refused


class ReadOnly(_Refusing):
    """A replica of a master that is not there: reads work, writes answer READONLY."""

    def inject(self):
        self._server.execute_command("REPLICAOF", "127.0.0.1", "1")

    def heal(self):
        self._server.execute_command("REPLICAOF", "NO", "ONE")


class NoReplicas(_Refusing):
    """Writes answer NOREPLICAS, since one is demanded and there is none."""

    def inject(self):
        self._server.config_set("min-replicas-to-write", 1)

    def heal(self):
        self._server.config_set("min-replicas-to-write", 0)


class OutOfMemory(_Refusing):
    """Writes answer OOM."""

    def inject(self):
        self._server.config_set("maxmemory", 1)

    def heal(self):
        self._server.config_set("maxmemory", 0)
