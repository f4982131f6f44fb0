"""
What every integration test stands on: private services, a world of its own for each test, and the program.

    def test_something(world):
        server = world.serve(WRITERS=1)
        user = new_id()
        server.click(user_id=user, campaign_id=CAMPAIGN)
        world.wait_processed()
        assert world.recount(CAMPAIGN) == {today(): (1, 0, 0, 0, 0)}

A world is a fresh database, fresh topics, a fresh consumer group and a Redis database of its own, so tests
never see each other. Whoever stops a service in a test need not start it again: the next world does.
Waiting is always `eventually(fn, timeout)`. All deadlines are multiplied by TYR_SLOW_FACTOR.

Environment: TYR_BINARY (default build/tyrattribution), TYR_TEST_SERVICES=DIR (use and keep the services of
that folder), TYR_SLOW_FACTOR, TYR_SAN (set when the binary is a sanitizer build).
"""

import contextlib
import datetime
import fcntl
import json
import logging
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid

import psycopg
import redis
import requests
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("TYR_BINARY") or ROOT / "build" / "tyrattribution")
SLOW = float(os.environ.get("TYR_SLOW_FACTOR") or 1)
SANITIZER = os.environ.get("TYR_SAN") or ""
TOUCH_KINDS = ("click", "conversion")
KINDS = (*TOUCH_KINDS, "adjustment")

# A worker's stack is fixed by CivetWeb's build and small for a sanitizer, and so is the number of threads.
DEFAULT_OPTIONS = {"HTTP_WORKERS": "64", "KAFKA_PARTITIONS": "4", "LOG_LEVEL": "info"}

REPORTS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer", "runtime error:", "Assertion",
           "tyrattribution: bug:")

_silent = logging.getLogger("tests.kafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


# --- small things ----------------------------------------------------------------------------------

def new_id():
    """A random UUID as text."""
    return str(uuid.uuid4())


def now():
    """The time in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def rfc3339(when):
    """A time as the program writes it: UTC, milliseconds, Z."""
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


def today(offset_days=0):
    """The UTC day as YYYY-MM-DD, so many days from now."""
    return (now() + datetime.timedelta(days=offset_days)).strftime("%Y-%m-%d")


def click_body(**fields):
    """A click that is fine, with these fields instead. A field that is None is left out."""
    body = {"campaign_id": new_id(), "user_id": new_id(), "click_date": rfc3339(now()), "source": "newsletter"}
    body.update(fields)
    return {key: value for key, value in body.items() if value is not None}


def conversion_body(**fields):
    """A conversion that is fine, with these fields instead. A field that is None is left out."""
    body = {"campaign_id": new_id(), "user_id": new_id(), "conversion_date": rfc3339(now()),
            "source": "newsletter", "type": "purchase", "value": 10}
    body.update(fields)
    return {key: value for key, value in body.items() if value is not None}


def eventually(fn, timeout=10, what=None):
    """Call fn until what it returns is true, and return that. Its errors count as not yet, until time is up."""
    deadline = time.monotonic() + timeout * SLOW
    pause = 0.01
    while True:
        error = None
        try:
            result = fn()
            if result:
                return result
        except (AssertionError, OSError, KeyError, IndexError, requests.RequestException, psycopg.Error,
                redis.RedisError, KafkaException) as caught:
            error = caught
        if time.monotonic() > deadline:
            message = f"not within {timeout * SLOW:g} s: {what or getattr(fn, '__name__', 'what was waited for')}"
            raise AssertionError(message) from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def murmur2(data):
    """Kafka's murmur2 of some bytes."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k ^= k >> 24
        h = (h * m & mask) ^ (k * m & mask)
    rest = data[whole:]
    if rest:
        h ^= int.from_bytes(rest, "little")
        h = h * m & mask
    h ^= h >> 13
    h = h * m & mask
    return h ^ h >> 15


def partition_of(user_id, n):
    """The partition, of n, that a user's events are in."""
    key = user_id if isinstance(user_id, bytes) else str(user_id).lower().encode()
    return (murmur2(key) & 0x7FFFFFFF) % n


def free_port():
    """A port nobody listens on, below the kernel's range for outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def parse_metrics(text):
    """The samples of a Prometheus text as {'name{labels}': value}."""
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert name not in samples, f"{name} stands twice"
            samples[name] = float(value)
    return samples


def run_program(*args, env=None, cwd=None, timeout=60):
    """Run the program with this environment and nothing else; the completed process, stderr and stdout as text."""
    return subprocess.run([BINARY, *args], env=clean_env(env or {}), cwd=cwd or "/", timeout=timeout * SLOW,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          check=False)


def clean_env(env):
    """These variables and what a process needs, so that no option comes from the caller's environment."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TZ") or k.endswith("SAN_OPTIONS")}
    kept.update({k: str(v) for k, v in env.items() if v is not None})
    return kept


# --- services --------------------------------------------------------------------------------------

class Services:
    """A private Kafka, Redis and PostgreSQL."""

    def __init__(self):
        shared = os.environ.get("TYR_TEST_SERVICES")
        self.is_ours = not shared
        self.dir = shared or tempfile.mkdtemp(prefix="tyr-services-")
        self._touched = False
        self._admin = None
        self._stopped_by_signal = set()
        if self.is_ours:
            os.chmod(self.dir, 0o755)  # PostgreSQL runs as another user
        try:
            self._script("start", self.dir)
        except BaseException:
            self.close()
            raise
        self.env = {}
        for line in pathlib.Path(self.dir, "env").read_text().splitlines():
            name, value = line.split("=", 1)
            self.env[name] = value

    def _script(self, *args):
        done = subprocess.run([str(ROOT / "deploy" / "services.sh"), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
        assert done.returncode == 0, f"services.sh {' '.join(args)}:\n{done.stdout}"

    def start(self, name):
        """Start 'kafka', 'redis' or 'postgres' and wait until it answers."""
        self.forget_admin()
        self._script("start", self.dir, name)

    def stop(self, name):
        """Stop one in an orderly way."""
        self._touched = True
        self._script("stop", self.dir, name)

    def kill(self, name, sig="KILL"):
        """Send one a signal: a name, with or without SIG, or a number."""
        self._touched = True
        word = signal.Signals(sig).name if isinstance(sig, int) else str(sig)
        word = word.removeprefix("SIG")
        self._script("kill", self.dir, name, word)
        if word == "STOP":
            self._stopped_by_signal.add(name)
        elif word in ("CONT", "KILL"):
            self._stopped_by_signal.discard(name)

    def heal(self):
        """Bring back whatever a test took away."""
        for name in list(self._stopped_by_signal):
            self.kill(name, "CONT")
        if self._touched:
            self.forget_admin()
            self._script("start", self.dir)
        self._touched = False

    def redis(self, db=0):
        """A client of the Redis server."""
        host, port = self.env["REDIS_URL"].rsplit(":", 1)
        return redis.Redis(host=host, port=int(port), db=db, decode_responses=True, socket_timeout=10)

    def postgres(self, dbname="postgres", user="postgres"):
        """A connection as the superuser, each statement its own transaction."""
        return psycopg.connect(host=self.env["DB_HOST"], port=self.env["DB_PORT"], user=user, dbname=dbname,
                               password=self.env["DB_PASSWORD"], autocommit=True, connect_timeout=10)

    def kafka_conf(self, **more):
        """Settings of a Kafka client."""
        return {"bootstrap.servers": self.env["KAFKA_URL"], "logger": _silent, "reconnect.backoff.max.ms": 500, **more}

    def admin(self):
        """Kafka's admin client."""
        if self._admin is None:
            self._admin = AdminClient(self.kafka_conf())
        return self._admin

    def forget_admin(self):
        """Let the next admin() make a new client."""
        self._admin = None

    @contextlib.contextmanager
    def redis_number(self):
        """A number of a Redis database that no other test process has now."""
        locks = []
        try:
            for number in range(16):
                lock = open(os.path.join(self.dir, f"redis-db-{number}.lock"), "w", encoding="ascii")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                    continue
                locks.append(lock)
                break
            assert locks, "all 16 databases of Redis are in use"
            yield number
        finally:
            for lock in locks:
                lock.close()

    def close(self):
        """Stop what we started."""
        if self.is_ours:
            with contextlib.suppress(AssertionError):
                for name in list(self._stopped_by_signal):
                    self.kill(name, "CONT")
            self._script("stop", self.dir)
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            self.heal()


# --- the program -----------------------------------------------------------------------------------

class Server:
    """One `tyrattribution serve`. World.serve makes it."""

    def __init__(self, world, env, number, env_file=None):
        self.world = world
        self.env = dict(env)
        self.url = "http://" + self.env["HTTP_LISTEN"]
        self.admin = "http://" + self.env["ADMIN_LISTEN"]
        self.cwd = world.dir / f"server-{number}"
        self.cwd.mkdir()
        if env_file is not None:
            (self.cwd / ".env").write_text(env_file, encoding="utf-8")
        self.log_path = self.cwd / "log"
        self.exit_code = None
        self._sessions = threading.local()
        self._all_sessions = []
        with open(self.log_path, "wb") as log:
            self._process = subprocess.Popen([BINARY, "serve"], env=clean_env(self.env), cwd=self.cwd, stdout=log,
                                             stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = self._process.pid

    # life

    def is_running(self):
        """Does the process live?"""
        return self._process.poll() is None

    def is_turning(self):
        """Does it run, and was not halted by a signal?"""
        stat = pathlib.Path(f"/proc/{self.pid}/stat")
        return self.is_running() and stat.read_text(encoding="ascii").rsplit(") ", 1)[1][0] not in "Tt"

    def wait_ready(self, timeout=30):
        """Wait until /readyz answers 200; the start of a process that ends early is an error at once."""
        def ready():
            if not self.is_running():
                return True
            return requests.get(self.admin + "/readyz", timeout=5 * SLOW).status_code == 200
        eventually(ready, timeout, f"{self.admin}/readyz is 200\n{self.tail()}")
        assert self.is_running(), f"the program ended with {self._process.returncode}\n{self.tail()}"

    def wait_exit(self, timeout=30):
        """Wait for the end of the process; its exit code."""
        try:
            self.exit_code = self._process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program did not end within {timeout * SLOW:g} s\n{self.tail()}") from None
        return self.exit_code

    def stop(self, sig=signal.SIGTERM, timeout=30):
        """Send a signal and wait for the end; the exit code."""
        self.close_sessions()
        if self.is_running():
            os.kill(self.pid, sig)
            os.kill(self.pid, signal.SIGCONT)  # a halted process could not end
        return self.wait_exit(timeout)

    def signal(self, sig):
        """Send a signal and do not wait."""
        if self.is_running():
            os.kill(self.pid, sig)

    def kill(self):
        """End it the hard way."""
        return self.stop(signal.SIGKILL)

    def log(self):
        """Everything it has logged."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def tail(self, lines=40):
        """The last lines of the log."""
        return f"--- {self.log_path.parent.name}, pid {self.pid} ---\n" + "\n".join(self.log().splitlines()[-lines:])

    def rss(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    # requests

    def session(self):
        """The keep-alive session of the calling thread."""
        if not hasattr(self._sessions, "session"):
            self._sessions.session = requests.Session()
            self._sessions.session.trust_env = False
            self._all_sessions.append(self._sessions.session)
        return self._sessions.session

    def poke(self):
        """Wake the listeners, which look only every two seconds whether they should stop."""
        for url in (self.url, self.admin):
            host, port = url.removeprefix("http://").split(":")
            with contextlib.suppress(OSError):
                socket.create_connection((host, int(port)), timeout=1).close()

    def close_sessions(self):
        """Close the connections of all threads."""
        for session in self._all_sessions:
            session.close()

    def get(self, path, **params):
        """GET from the API; the response."""
        return self.session().get(self.url + path, params=params, timeout=30 * SLOW)

    def post(self, path, body=None, **kwargs):
        """POST JSON (a text, bytes or an iterator of bytes, for chunks, are sent as they are); the response."""
        if isinstance(body, (dict, list, int)):
            kwargs["json"] = body
        elif body is not None:
            kwargs["data"] = body.encode() if isinstance(body, str) else body
            kwargs.setdefault("headers", {}).setdefault("Content-Type", "application/json")
        return self.session().post(self.url + path, timeout=60 * SLOW, **kwargs)

    def click(self, **fields):
        """Send a click; the answer, which was 201."""
        return self._create("/api/events/click", click_body(**fields))

    def conversion(self, **fields):
        """Send a conversion; the answer, which was 201."""
        return self._create("/api/events/conversion", conversion_body(**fields))

    def _create(self, path, body):
        response = self.post(path, body)
        assert response.status_code == 201, f"{body}: {response.status_code} {response.text}"
        return response.json()

    def batch(self, events):
        """Send events, dicts with the key "event"; the answer, which was 200."""
        response = self.post("/api/events/batch", events)
        assert response.status_code == 200, f"{response.status_code} {response.text[:2000]}"
        return response.json()

    def statistics(self, campaign_id, **params):
        """The statistics of a campaign; the answer, which was 200."""
        params.setdefault("group_by", "daily")
        response = self.get("/api/campaigns/statistics", campaign_id=campaign_id, **params)
        assert response.status_code == 200, f"{response.status_code} {response.text}"
        return response.json()

    def metrics(self):
        """The samples of /metrics as {'name{labels}': value}."""
        response = requests.get(self.admin + "/metrics", timeout=10 * SLOW)
        assert response.status_code == 200
        return parse_metrics(response.text)

    def readyz(self):
        """Status and parsed body of /readyz."""
        response = requests.get(self.admin + "/readyz", timeout=10 * SLOW)
        return response.status_code, response.json()


# --- a world for each test -------------------------------------------------------------------------

class World:
    """A database, topics, a group and a Redis database that no other test has."""

    def __init__(self, services, directory, redis_db):
        self.services = services
        self.dir = pathlib.Path(directory)
        self.name = "t" + uuid.uuid4().hex[:12]
        self.servers = []
        self.topics = {kind: f"{self.name}-{kind}s" for kind in KINDS}
        self.env = {
            **DEFAULT_OPTIONS, **services.env, "DB_NAME": self.name, "REDIS_DB": str(redis_db),
            "KAFKA_GROUP_ID": self.name, "KAFKA_CLICK_TOPIC": self.topics["click"],
            "KAFKA_CONVERSION_TOPIC": self.topics["conversion"],
            "KAFKA_ADJUSTMENT_TOPIC": self.topics["adjustment"],
        }
        self._migrated = False
        self._producer = None
        self._produce_errors = []
        self._connections = []
        self._sql = None
        self._partitions = None
        self.redis().flushdb()
        with services.postgres() as pg:
            pg.execute(f"CREATE DATABASE {self.name} OWNER {services.env['DB_USER']}")

    # the program

    def migrate(self, **options):
        """Run `migrate`, which must end well; the completed process."""
        done = self.run("migrate", **options)
        assert done.returncode == 0, done.stderr
        self._migrated = True
        return done

    def run(self, *args, **options):
        """Run the program with this world's environment; the completed process."""
        return run_program(*args, env={**self.env, **options}, cwd=self.dir)

    def serve(self, wait=True, migrate=True, env_file=None, **options):
        """
        Start the program with these options on top of this world's (None: without that one); a Server that is
        ready. env_file is the text of a file .env where it starts.
        """
        if migrate and not self._migrated:
            self.migrate(**{k: v for k, v in options.items() if k.startswith("KAFKA_")})
        env = {**self.env, "HTTP_LISTEN": f"127.0.0.1:{free_port()}", "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
               "SPOOL_DIR": self._spool_dir(), **options}
        server = Server(self, {k: str(v) for k, v in env.items() if v is not None},
                        len(self.servers), env_file)
        self.servers.append(server)
        if wait:
            server.wait_ready()
        return server

    def _spool_dir(self):
        """A spool that no running server has: one that was left behind first, so that its events are drained."""
        used = {server.env.get("SPOOL_DIR") for server in self.servers if server.is_running()}
        known = sorted(server.env["SPOOL_DIR"] for server in self.servers if server.env.get("SPOOL_DIR"))
        return next((d for d in known if d not in used), str(self.dir / f"spool-{len(self.servers)}"))

    # PostgreSQL

    def db(self):
        """A new connection to this world's database, each statement its own transaction."""
        connection = self.services.postgres(self.name, self.services.env["DB_USER"])
        self._connections.append(connection)
        return connection

    def sql(self, query, *params):
        """Run one statement; its rows as tuples."""
        if self._sql is None or self._sql.closed or self._sql.broken:
            self._sql = self.db()
        cursor = self._sql.execute(query, params or None)
        return cursor.fetchall() if cursor.description else []

    def recount(self, campaign_id=None):
        """
        The event tables counted plainly: {'YYYY-MM-DD': (clicks, attributed conversions, their value in minor
        units, unattributed conversions, their value)}, days in UTC, of one campaign or of all together.
        """
        rows = self.sql(
            "SELECT to_char(day, 'YYYY-MM-DD'), sum(clicks), sum(conversions), sum(value), sum(rest), sum(rest_value)"
            " FROM (SELECT (click_date AT TIME ZONE 'UTC')::date AS day, 1 AS clicks, 0 AS conversions, 0 AS value,"
            "         0 AS rest, 0 AS rest_value, campaign_id FROM click_events"
            "       UNION ALL"
            "       SELECT (conversion_date AT TIME ZONE 'UTC')::date, 0,"
            "         CASE WHEN click_id IS NULL THEN 0 ELSE 1 END,"
            "         CASE WHEN click_id IS NULL THEN 0 ELSE coalesce(adjusted_minor, value_minor) END,"
            "         CASE WHEN click_id IS NULL THEN 1 ELSE 0 END,"
            "         CASE WHEN click_id IS NULL THEN coalesce(adjusted_minor, value_minor) ELSE 0 END, campaign_id"
            "       FROM conversion_events WHERE NOT is_cancelled) e"
            " WHERE %s::uuid IS NULL OR campaign_id = %s::uuid GROUP BY day", campaign_id, campaign_id)
        return {row[0]: tuple(int(n) for n in row[1:]) for row in rows}

    # Redis

    def redis(self):
        """A client of this world's Redis database."""
        return self.services.redis(int(self.env["REDIS_DB"]))

    # Kafka

    def partitions(self):
        """How many partitions each topic has, as recorded in the database."""
        if self._partitions is None:
            if not self._migrated:
                self.migrate()
            self._partitions = self.sql("SELECT partitions FROM deployment")[0][0]
        return self._partitions

    def create_topic(self, kind, partitions):
        """Make one of this world's topics by hand."""
        future = self.services.admin().create_topics([NewTopic(self.topics[kind], partitions, 1)])
        future[self.topics[kind]].result(30)

    def produce(self, kind, value, key=None, partition=None):
        """
        Put a message straight into a topic. Without a partition: the one of the key, or of the user_id in the
        value, or 0. Call flush() before looking at offsets (wait_processed does).
        """
        if partition is None:
            user = key
            if user is None and value is not None:
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    user = json.loads(value)["user_id"]
            partition = partition_of(user, self.partitions()) if isinstance(user, (bytes, str)) else 0
        else:
            self.partitions()  # the topics exist afterwards
        if self._producer is None:
            self._producer = Producer(self.services.kafka_conf(acks="all", **{"linger.ms": 2}))
        while True:
            try:
                self._producer.produce(self.topics[kind], value=value, key=key, partition=partition,
                                       on_delivery=self._delivered)
                return
            except BufferError:
                self._producer.poll(0.1)

    def produce_event(self, kind, event):
        """The same for an event as a dict, with its user as the key."""
        self.produce(kind, json.dumps(event).encode(), key=event["user_id"].encode())

    def _delivered(self, error, _message):
        if error is not None:
            self._produce_errors.append(error)

    def flush(self, timeout=30):
        """Wait until everything produced is in Kafka."""
        if self._producer is not None:
            assert self._producer.flush(timeout * SLOW) == 0, "messages could not be delivered"
        assert not self._produce_errors, self._produce_errors

    def _offsets(self, spec, kinds):
        wanted = {TopicPartition(self.topics[kind], p): spec for kind in kinds for p in range(self.partitions())}
        futures = self.services.admin().list_offsets(wanted, request_timeout=10)
        try:
            return {(tp.topic, tp.partition): future.result(10).offset for tp, future in futures.items()}
        except KafkaException:
            self.services.forget_admin()  # it keeps the leader's epoch from before a restart of the broker
            raise

    def end_offsets(self, kind):
        """The end offset of each partition."""
        found = self._offsets(OffsetSpec.latest(), [kind])
        return [found[(self.topics[kind], p)] for p in range(self.partitions())]

    def behind(self):
        """What is not processed yet: {(kind, partition): (next offset of the fence, end offset)}, or spools."""
        spools = {}
        for i, server in enumerate(self.servers):
            kept = int(server.metrics().get("tyr_spool_records", 0)) if server.is_turning() else 0
            if kept > 0:
                spools[("spool", i)] = (0, kept)
        if spools:
            return spools
        ends = self._offsets(OffsetSpec.latest(), KINDS)
        fences = {row[0]: row[1] for row in self.sql("SELECT partition, next_offset FROM partition_fences")}
        late = {}
        for p in range(self.partitions()):
            for i, kind in enumerate(KINDS):
                end = ends[(self.topics[kind], p)]
                reached = fences.get(p, (-1, -1, -1))[i]
                if end > 0 and reached != end:
                    late[(kind, p)] = (reached, end)
        return late

    def wait_processed(self, timeout=60):
        """Wait until the fences have reached the end of every partition of all topics."""
        self.flush()
        deadline = time.monotonic() + timeout * SLOW
        late, error = {}, None
        while time.monotonic() < deadline:
            try:
                late, error = self.behind(), None
                if not late:
                    return
            except (psycopg.Error, KafkaException, requests.RequestException) as caught:
                error = caught
            time.sleep(0.02)
        tails = "\n".join(server.tail() for server in self.servers)
        raise AssertionError(f"not processed within {timeout * SLOW:g} s, (next, end) are {late} {error or ''}\n"
                             f"{tails}")

    def group_offsets(self):
        """The consumer group's committed offsets: {(kind, partition): offset}."""
        kinds = {topic: kind for kind, topic in self.topics.items()}
        request = ConsumerGroupTopicPartitions(self.env["KAFKA_GROUP_ID"])
        result = self.services.admin().list_consumer_group_offsets([request])[self.env["KAFKA_GROUP_ID"]].result(10)
        return {(kinds[tp.topic], tp.partition): tp.offset for tp in result.topic_partitions if tp.offset >= 0}

    # the end

    @staticmethod
    def _ask_to_stop(running):
        """TERM for all at once; a halted one could not end."""
        for server in running:
            server.close_sessions()
            server.signal(signal.SIGTERM)
            server.signal(signal.SIGCONT)
        deadline = time.monotonic() + 5 * SLOW
        while any(server.is_running() for server in running) and time.monotonic() < deadline:
            for server in running:
                server.poke()
            time.sleep(0.05)

    def _stop_servers(self):
        problems = []
        asked = [server for server in self.servers if server.exit_code is None and server.is_running()]
        self._ask_to_stop(asked)
        for server in self.servers:
            if server in asked:
                try:
                    code = server.wait_exit()
                    if code != 0:
                        problems.append(f"the program ended with {code} after TERM\n{server.tail()}")
                except AssertionError as error:
                    problems.append(str(error))
                    server.kill()
            elif server.exit_code is None:
                problems.append(f"the program had ended by itself with {server.wait_exit()}\n{server.tail()}")
            server.close_sessions()
            problems += check_log(server.log())
        return problems

    def close(self):
        """Stop everything and leave nothing behind; AssertionError if a server misbehaved."""
        self.services.heal()
        try:
            problems = self._stop_servers()
        finally:
            self._drop()
        for server in self.servers:
            print(server.tail(60))  # pytest shows it when the test failed
        assert not problems, "\n".join(problems)

    def _drop(self):
        for connection in self._connections:
            connection.close()
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
        with self.services.postgres() as pg:
            pg.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        for future in self.services.admin().delete_topics(list(self.topics.values()), operation_timeout=5).values():
            with contextlib.suppress(KafkaException):
                future.result(15)


def check_log(text):
    """The sanitizers' and assertions' reports in a log."""
    match = re.search("|".join(re.escape(word) for word in REPORTS), text)
    if match is None:
        return []
    return ["a report in the log:\n" + text[max(0, match.start() - 500):match.start() + 6000]]
