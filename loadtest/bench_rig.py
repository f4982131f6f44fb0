"""
What a benchmark stands on: private services, worlds (a database, topics and a Redis database each), processes.

    with Rig(binary) as rig:
        world = rig.world()
        server = rig.serve(world, ROLE="ingest")
        ...
        server.stop()

Whatever a rig has started is ended with it, by its pid, also when it fails half-way.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
START_SECONDS = 120
STOP_SECONDS = 40


class BenchError(Exception):
    """What went wrong, in a sentence for the user."""


def eventually(fn, seconds, what):
    """Call fn until what it returns is true, and return that; OSError is not yet. what: text, or what makes it."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            result = fn()
            if result:
                return result
        if time.monotonic() > deadline:
            raise BenchError(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def free_port():
    """A port nobody listens on, below the kernel's range for outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def tail(path, lines=15):
    """The last lines of a file, indented."""
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def clean_env(env=None):
    """These variables and what a process needs, so that no option comes from the caller's environment."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TZ")}
    return kept | {k: str(v) for k, v in (env or {}).items()}


class Process:
    """A process that serves until it is stopped."""

    def __init__(self, name, command, log, env=None, cwd="/"):
        self.name, self.log = name, pathlib.Path(log)
        with open(log, "wb") as out:
            try:
                self._popen = subprocess.Popen([str(part) for part in command], env=clean_env(env), cwd=cwd, stdout=out,
                                               stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
            except OSError as error:
                raise BenchError(f"{name} cannot be started: {error}") from None
        self.pid = self._popen.pid

    def is_running(self):
        return self._popen.poll() is None

    def await_answer(self, fn):
        """Wait until fn is true; the early end of the process is an error at once."""
        def answers_or_ended():
            return not self.is_running() or fn()
        eventually(answers_or_ended, START_SECONDS,
                   lambda: f"{self.name} answers; its last lines:\n{tail(self.log)}")
        self.check()

    def check(self):
        """BenchError if it has ended."""
        if not self.is_running():
            raise BenchError(f"{self.name} ended with {self._popen.returncode}; its last lines:\n{tail(self.log)}")

    def stop(self):
        """TERM, and KILL if that does not help. Stopping twice is fine."""
        if not self.is_running():
            return
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class Server(Process):
    """One `tyrattribution serve`, ready."""

    def __init__(self, binary, env, directory):
        self.listen, self.admin = env["HTTP_LISTEN"], env["ADMIN_LISTEN"]
        self.url = "http://" + self.listen
        super().__init__(f"the program (ROLE={env.get('ROLE', 'all')})", [binary, "serve"],
                         pathlib.Path(directory, "log"), env, directory)
        try:
            self.await_answer(lambda: self.fetch("/readyz", self.admin)[0] == 200)
        except BaseException:
            self.stop()
            raise

    def fetch(self, path, address=None, body=None):
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection(address or self.listen, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def metrics(self):
        """The samples of /metrics as [(name with labels, value)]."""
        text = self.fetch("/metrics", self.admin)[1].decode()
        return [(line.rsplit(" ", 1)[0], float(line.rsplit(" ", 1)[1]))
                for line in text.splitlines() if line and line[0] != "#"]

    def metric(self, name):
        """One sample, by its name with labels."""
        return dict(self.metrics())[name]

    def events(self, outcome):
        """How many messages this process has stored, or what else became of them."""
        return sum(value for name, value in self.metrics()
                   if name.startswith("tyr_events_total{") and f'outcome="{outcome}"' in name)

    def processed(self):
        """How many messages this process has done with."""
        return sum(value for name, value in self.metrics()
                   if name.startswith("tyr_events_total{") and 'outcome="reread"' not in name)

    def lag(self):
        """Messages in Kafka that this process has not processed; None while it cannot tell."""
        found = [value for name, value in self.metrics() if name.startswith("tyr_consumer_lag{")]
        return sum(found) if found and min(found) >= 0 else None


class World:
    """A database, topics, a group and a Redis database that no other case has."""

    def __init__(self, rig, number, template, options):
        self.rig, self.name = rig, f"bench{number}"
        self.env = {"LOG_LEVEL": "info"} | rig.env | {
            "DB_NAME": self.name, "REDIS_DB": number % 16, "KAFKA_GROUP_ID": self.name,
            "KAFKA_CLICK_TOPIC": f"{self.name}-clicks", "KAFKA_CONVERSION_TOPIC": f"{self.name}-conversions",
            "KAFKA_ADJUSTMENT_TOPIC": f"{self.name}-adjustments",
        } | options
        copied = f" TEMPLATE {template.name} STRATEGY FILE_COPY" if template else ""  # not through the WAL
        rig.psql(f"CREATE DATABASE {self.name} OWNER {rig.env['DB_USER']}{copied}", "postgres", "postgres")
        rig.run([rig.binary, "migrate"], self.env)

    def sql(self, statement):
        """Run statements; the output, unaligned."""
        return self.rig.psql(statement, self.name)

    def file(self, path, variables):
        """Run a file of statements with psql's variables."""
        self.rig.psql(path, self.name, variables=variables)

    def drop(self):
        """Give its space back; no process may use it any more."""
        self.rig.psql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", "postgres", "postgres")


class Rig:
    """Services of its own in a folder of its own, and what was started on them."""

    def __init__(self, binary, **options):
        """The options are the program's, in every world."""
        self.binary = str(pathlib.Path(binary).resolve())
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tyr-bench-"))
        os.chmod(self.dir, 0o755)  # PostgreSQL runs as another user
        self.env, self._made, self._stack = options, {}, contextlib.ExitStack()
        self._worlds, self._logs = 0, 0

    def __enter__(self):
        self._stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self._stack.callback(self._services, "stop", must=False)
        try:
            self._services("start")
            for line in (self.dir / "services/env").read_text(encoding="ascii").splitlines():
                name, value = line.split("=", 1)
                self.env[name] = value
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _services(self, command, must=True):
        done = subprocess.run([ROOT / "deploy/services.sh", command, self.dir / "services"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0 and must:
            raise BenchError(f"the services do not start:\n{done.stdout.rstrip()}")

    def service_pid(self, name):
        """The pid of kafka, redis or postgres."""
        return int((self.dir / f"services/{name}.pid").read_text(encoding="ascii").split()[0])

    def run(self, command, env=None, seconds=3600, fine=(0,)):
        """Run a program to its end, which must be a good one; its output."""
        try:
            done = subprocess.run([str(part) for part in command], env=clean_env(env), cwd=self.dir, timeout=seconds,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  check=False)
        except OSError as error:
            raise BenchError(f"{command[0]} cannot be started: {error}") from None
        if done.returncode not in fine:
            last = "\n".join("    " + line for line in (done.stdout + done.stderr).splitlines()[-15:])
            raise BenchError(f"{pathlib.Path(command[0]).name} ended with {done.returncode}:\n{last}")
        return done.stdout

    def psql(self, statement, database, user=None, variables=None):
        """Run statements, or a file given as a Path with its variables; the output, fields parted by |."""
        source = ["-f", statement] if isinstance(statement, pathlib.Path) else ["-c", statement]
        env = {"PGPASSWORD": self.env["DB_PASSWORD"], "PGOPTIONS": "-c client_min_messages=warning"}
        given = [word for name, value in (variables or {}).items() for word in ("-v", f"{name}={value}")]
        where = ["-h", self.env["DB_HOST"], "-p", self.env["DB_PORT"], "-U", user or self.env["DB_USER"], database]
        return self.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *given, *where, *source],
                        env).strip()

    def world(self, template=None, **options):
        """A fresh world, migrated with these options, its database a copy of another world's that nobody uses now."""
        self._worlds += 1
        return World(self, self._worlds, template, options)

    def once(self, name, make):
        """What make() answers, made at the first call only."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _folder(self):
        self._logs += 1
        folder = self.dir / f"process-{self._logs}"
        folder.mkdir()
        return folder

    def serve(self, world, **options):
        """Start the program on a world and wait until it is ready."""
        folder = self._folder()
        env = world.env | {"HTTP_LISTEN": f"127.0.0.1:{free_port()}", "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
                           "SPOOL_DIR": folder / "spool"} | options
        server = Server(self.binary, env, folder)
        self._stack.callback(server.stop)
        return server

    def bare_http(self, threads, answer_bytes=1024):
        """Start the bare CivetWeb; a Process with a url."""
        port = free_port()
        process = Process("the bare CivetWeb", [BUILD / "limits/http", "--listen", f"127.0.0.1:{port}", "--threads",
                                                threads, "--answer", answer_bytes], self._folder() / "log")
        self._stack.callback(process.stop)
        process.listen, process.url = f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"

        def is_whole():
            socket.create_connection(("127.0.0.1", port), 1).close()
            return len(os.listdir(f"/proc/{process.pid}/task")) >= threads  # it listens before it has them all
        process.await_answer(is_whole)
        return process


def last_json(text, who):
    """The line of an output that is a JSON object."""
    try:
        return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])
    except (IndexError, ValueError):
        raise BenchError(f"{who} printed no result:\n{text[-500:]}") from None
