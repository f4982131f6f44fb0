"""
The cells of the table: which faults there are, under load, while catching up, and two or more at once.

A cell under load has one fault. While catching up, PostgreSQL is a black hole for some seconds first, so that
the fault strikes when there is a backlog to work off. A pair strikes both at the same moment.
"""

import dataclasses
import functools

import faults_network as network
import faults_program as program
import faults_redis as redis_data
import faults_service as service
import faults_spool as spool
import faults_topic as topic

SHORT, MIDDLE, LONG = (0.8, 2.0), (1.5, 3.0), (2.5, 4.0)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One row of the table."""
    name: str
    sentence: str
    faults: tuple               # makers of faults: called with a stage and random numbers
    seconds: tuple = MIDDLE     # between which times the fault lasts
    cost: float = 5             # about how long it takes with its recovery, in seconds
    instances: int = 1          # how many the program needs at least
    catching_up: bool = False
    needs_disk: bool = False    # a file system of its own, which takes root
    needs_shim: bool = False
    options: tuple = ()         # of the program, for the whole schedule


def _of(fault, *args, **kwargs):
    """A maker of a fault with these arguments beside the stage and the random numbers."""
    def make(stage, rng):
        return fault(stage, rng, *args, **kwargs)
    return functools.wraps(fault, updated=())(make)


KILL = _of(program.Kill)
KAFKA_KILL = _of(service.Kill, "kafka")
REDIS_KILL = _of(service.Kill, "redis")
POSTGRES_KILL = _of(service.Kill, "postgres")
FLUSHALL = _of(redis_data.FlushAll)
TERMINATE = _of(service.TerminateBackends)
CUT_COMMITS = _of(network.CutCommits)
SPOOL = _of(spool.Spool)

UNDER_LOAD = (
    Cell("program-kill", "an instance is killed and started again", (KILL,), cost=8),
    Cell("program-kill-all", "all instances are killed at once", (_of(program.Kill, everyone=True),), cost=8),
    Cell("program-freeze", "an instance stands still for a moment", (_of(program.Freeze),), LONG, 4),
    Cell("program-zombie", "an instance stands still until another has its partitions, then goes on",
         (_of(program.Zombie),), SHORT, 12, instances=2),
    Cell("program-restart", "an instance is stopped by SIGTERM and started again", (_of(program.Restart),), SHORT),
    Cell("program-join-leave", "one more instance joins and leaves", (_of(program.Join),), SHORT, 6),
    Cell("program-replace", "all instances are replaced one after the other", (_of(program.Replace),), SHORT, 7),

    Cell("kafka-kill", "Kafka is killed and started again", (KAFKA_KILL,), SHORT, 7),
    Cell("kafka-restart", "Kafka is stopped in an orderly way and started again",
         (_of(service.Restart, "kafka"),), SHORT, 8),
    Cell("kafka-freeze", "Kafka stands still", (_of(service.Freeze, "kafka"),)),
    Cell("kafka-cut", "connections to Kafka are reset again and again", (_of(network.Cut, "kafka"),)),
    Cell("kafka-refuse", "Kafka refuses connections", (_of(network.Refuse, "kafka"),)),
    Cell("kafka-hold", "the network to Kafka is a black hole", (_of(network.Hold, "kafka"),)),
    Cell("kafka-delay", "the network to Kafka is late", (_of(network.Delay, "kafka"),)),
    Cell("kafka-throttle", "the network to Kafka is thin", (_of(network.Throttle, "kafka"),)),

    Cell("redis-kill", "Redis is killed and started empty", (REDIS_KILL,), SHORT, 3),
    Cell("redis-freeze", "Redis stands still", (_of(service.Freeze, "redis"),), MIDDLE, 4),
    Cell("redis-cut", "connections to Redis are reset again and again", (_of(network.Cut, "redis"),), MIDDLE, 4),
    Cell("redis-refuse", "Redis refuses connections", (_of(network.Refuse, "redis"),), MIDDLE, 4),
    Cell("redis-hold", "the network to Redis is a black hole", (_of(network.Hold, "redis"),), MIDDLE, 4),
    Cell("redis-delay", "the network to Redis is late", (_of(network.Delay, "redis"),), MIDDLE, 4),
    Cell("redis-flushall", "Redis is emptied again and again", (FLUSHALL,), MIDDLE, 4),
    Cell("redis-keys-deleted", "single keys vanish again and again", (_of(redis_data.DeleteKeys),), MIDDLE, 4),
    Cell("redis-old-snapshot", "Redis is set back to what it held before", (_of(redis_data.OldSnapshot),), MIDDLE, 4),
    Cell("redis-old-file", "Redis is killed and comes back with an old file", (_of(redis_data.OldFile),), MIDDLE, 4),
    Cell("redis-read-only", "Redis answers READONLY", (_of(redis_data.ReadOnly),), MIDDLE, 4),
    Cell("redis-no-replicas", "Redis answers NOREPLICAS", (_of(redis_data.NoReplicas),), MIDDLE, 4),
    Cell("redis-out-of-memory", "Redis answers OOM", (_of(redis_data.OutOfMemory),), MIDDLE, 4),

    Cell("postgres-kill", "PostgreSQL is killed and recovers from its log", (POSTGRES_KILL,), SHORT),
    Cell("postgres-restart", "PostgreSQL is stopped in an orderly way and started again",
         (_of(service.Restart, "postgres"),), SHORT),
    Cell("postgres-freeze", "PostgreSQL and its backends stand still", (_of(service.Freeze, "postgres"),)),
    Cell("postgres-terminate", "writers' backends are terminated inside transactions", (TERMINATE,)),
    Cell("postgres-cut", "connections to PostgreSQL are reset again and again", (_of(network.Cut, "postgres"),)),
    Cell("postgres-refuse", "PostgreSQL refuses connections", (_of(network.Refuse, "postgres"),)),
    Cell("postgres-hold", "the network to PostgreSQL is a black hole", (_of(network.Hold, "postgres"),), LONG, 6),
    Cell("postgres-delay", "the network to PostgreSQL is late", (_of(network.Delay, "postgres"),)),
    Cell("postgres-throttle", "the network to PostgreSQL is thin", (_of(network.Throttle, "postgres"),)),
    Cell("postgres-commit-cut", "connections are reset between COMMIT and its answer", (CUT_COMMITS,)),

    Cell("topic-unreadable", "messages that nobody can read or that are misplaced", (_of(topic.Unreadable),),
         MIDDLE, 4),

    Cell("spool-used", "Kafka is away and events go to the spool", (SPOOL,)),
    Cell("spool-kill", "an instance with records in its spool is killed", (_of(spool.SpoolKill),), cost=8),
    Cell("spool-disk-full", "Kafka is away and the spool's disk is full", (_of(spool.SpoolFull),),
         needs_disk=True, options=(("SPOOL_MIN_FREE_BYTES", 0),)),
    Cell("spool-limit", "Kafka is away and the spool reaches its limit", (_of(spool.SpoolFull, fill=False),),
         options=(("SPOOL_SEGMENT_BYTES", 65_536), ("SPOOL_MAX_BYTES", 131_072))),
    Cell("spool-fsync-error", "Kafka is away and fsync of the spool fails", (_of(spool.SpoolFsync),),
         needs_shim=True),
)


def _catching_up(name, fault, seconds=SHORT, cost=9.0, **more):
    return Cell(f"catching-up/{name}", "there is a backlog when " + more.pop("when"), (fault,), seconds, cost,
                catching_up=True, **more)


CATCHING_UP = (
    _catching_up("program-kill", KILL, cost=11, when="an instance is killed"),
    _catching_up("program-freeze", _of(program.Freeze), when="an instance stands still"),
    _catching_up("program-join-leave", _of(program.Join), when="one more instance joins and leaves"),
    _catching_up("kafka-kill", KAFKA_KILL, cost=11, when="Kafka is killed"),
    _catching_up("kafka-cut", _of(network.Cut, "kafka"), when="connections to Kafka are reset"),
    _catching_up("redis-kill", REDIS_KILL, when="Redis is killed"),
    _catching_up("redis-flushall", FLUSHALL, when="Redis is emptied"),
    _catching_up("redis-old-snapshot", _of(redis_data.OldSnapshot), when="Redis is set back"),
    _catching_up("postgres-kill", POSTGRES_KILL, when="PostgreSQL is killed"),
    _catching_up("postgres-terminate", TERMINATE, when="writers' backends are terminated"),
    _catching_up("postgres-cut", _of(network.Cut, "postgres"), when="connections to PostgreSQL are reset"),
    _catching_up("postgres-commit-cut", CUT_COMMITS, when="COMMITs lose their answers"),
    _catching_up("topic-unreadable", _of(topic.Unreadable), when="unreadable messages come"),
)

AT_ONCE = (
    Cell("kafka+postgres", "Kafka and PostgreSQL are killed", (KAFKA_KILL, POSTGRES_KILL), SHORT, 8),
    Cell("kafka+redis", "Kafka and Redis are killed", (KAFKA_KILL, REDIS_KILL), SHORT, 8),
    Cell("postgres+redis", "PostgreSQL and Redis are killed", (POSTGRES_KILL, REDIS_KILL), SHORT, 6),
    Cell("kafka+postgres+redis", "all three stores are killed", (KAFKA_KILL, POSTGRES_KILL, REDIS_KILL), SHORT, 9),
    Cell("program+kafka", "an instance and Kafka are killed", (KILL, KAFKA_KILL), SHORT, 9),
    Cell("program+postgres", "an instance and PostgreSQL are killed", (KILL, POSTGRES_KILL), SHORT, 8),
    Cell("program+redis", "an instance and Redis are killed", (KILL, REDIS_KILL), SHORT, 8),
    Cell("hold-kafka+postgres", "the networks to Kafka and PostgreSQL are black holes",
         (_of(network.Hold, "kafka"), _of(network.Hold, "postgres")), MIDDLE, 6),
    Cell("spool+postgres", "Kafka is away, events go to the spool, and PostgreSQL is killed", (SPOOL, POSTGRES_KILL),
         MIDDLE, 7),
    Cell("spool+redis", "Kafka is away, events go to the spool, and Redis is emptied", (SPOOL, FLUSHALL)),
    Cell("commit-cut+flushall", "COMMITs lose their answers while Redis is emptied", (CUT_COMMITS, FLUSHALL)),
    Cell("commit-cut+program", "COMMITs lose their answers and an instance is killed", (CUT_COMMITS, KILL),
         SHORT, 8),
)

CELLS = UNDER_LOAD + CATCHING_UP + AT_ONCE
