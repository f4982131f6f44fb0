"""
Where a schedule plays: private services behind proxies, a fresh world in them, and instances of the program.

The set-up is that of the integration tests (tests/integration/harness.py): a world is a database, topics, a
consumer group and a Redis database that no other schedule has. The services outlive the schedules.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "integration"))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import requests  # noqa: E402  pylint: disable=wrong-import-position
from proxy import Proxy, Relays  # noqa: E402  pylint: disable=wrong-import-position

SPOOL_DISK_BYTES = 24 << 20
FSYNC_SHIM = ROOT / "build" / "faults" / "fsync_shim.so"

# Short enough for a client to be told soon, and a spool that rotates its files.
OPTIONS = {"ACK_TIMEOUT_MS": 1500, "KAFKA_STALL_MS": 500, "BATCH_LINGER_MS": 20, "HTTP_WORKERS": 64, "WRITERS": 2,
           "SPOOL_SEGMENT_BYTES": 1 << 20, "SPOOL_MAX_BYTES": 64 << 20, "SPOOL_MIN_FREE_BYTES": 1 << 20}


def is_frozen(pid):
    """Is a process halted by a signal?"""
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] == "T"


class Services:
    """Kafka, Redis and PostgreSQL of our own, each behind a proxy."""

    def __init__(self):
        kafka_port, kafka_proxy_port = harness.free_port(), harness.free_port()
        os.environ.pop("TYR_TEST_SERVICES", None)
        os.environ["TYR_KAFKA_PORT"] = str(kafka_port)
        os.environ["TYR_KAFKA_ADVERTISED"] = f"127.0.0.1:{kafka_proxy_port}"
        self.relays = Relays()
        self.proxies = {"kafka": Proxy(self.relays, f"127.0.0.1:{kafka_port}", kafka_proxy_port)}
        self.harness = harness.Services()
        env = self.harness.env
        self.proxies["redis"] = Proxy(self.relays, env["REDIS_URL"])
        self.proxies["postgres"] = Proxy(self.relays, f"{env['DB_HOST']}:{env['DB_PORT']}")
        self.env = {"KAFKA_URL": self.proxies["kafka"].address, "REDIS_URL": self.proxies["redis"].address,
                    "DB_HOST": "127.0.0.1", "DB_PORT": str(self.proxies["postgres"].port)}

    def pid(self, name):
        """The pid of a service."""
        return int(pathlib.Path(self.harness.dir, f"{name}.pid").read_text(encoding="ascii").split()[0])

    def heal(self):
        """Bring everything back."""
        for proxy in self.proxies.values():
            proxy.heal()
        self.harness.heal()

    def close(self):
        """Stop everything."""
        for proxy in self.proxies.values():
            proxy.close()
        self.harness.close()
        self.relays.close()


class Slot:
    """A place where one instance of the program runs: its ports and its spool outlive restarts."""

    def __init__(self, stage, number):
        self._stage = stage
        self.spool = stage.spools / f"spool-{number}"
        self.spool.mkdir()
        self.address = f"127.0.0.1:{harness.free_port()}"
        self.admin = f"127.0.0.1:{harness.free_port()}"
        self.server = None
        self.threads_at_start = 0
        self.files_at_start = 0

    def start(self, wait=False):
        """Start the instance, and if asked wait until it is ready."""
        self.server = self._stage.world.serve(wait=wait, HTTP_LISTEN=self.address, ADMIN_LISTEN=self.admin,
                                              SPOOL_DIR=self.spool, **self._stage.options)

    def kill(self):
        """SIGKILL; the process is gone afterwards."""
        self.server.kill()

    def stop(self):
        """SIGTERM; the exit code."""
        os.kill(self.server.pid, signal.SIGTERM)
        self.server.poke()
        return self.server.wait_exit(25)

    def freeze(self):
        """SIGSTOP."""
        self.server.signal(signal.SIGSTOP)

    def thaw(self):
        """SIGCONT."""
        self.server.signal(signal.SIGCONT)

    def is_running(self):
        """Does the process live, frozen or not?"""
        return self.server is not None and self.server.is_running()

    def is_frozen(self):
        """Is the process halted by a signal?"""
        return is_frozen(self.server.pid)

    def has_spooled(self):
        """Are there events in the spool's files?"""
        return any(path.stat().st_size for path in self.spool.glob("*") if path.is_file())

    def measure(self):
        """Keep how many threads and files there are when nothing has happened yet."""
        metrics = self.metrics()
        self.threads_at_start = metrics["tyr_process_threads"]
        self.files_at_start = metrics["tyr_process_open_fds"]

    def metrics(self):
        """The samples of /metrics; empty where it does not answer."""
        try:
            return harness.parse_metrics(requests.get(f"http://{self.admin}/metrics", timeout=2).text)
        except (requests.RequestException, ValueError):
            return {}

    def admin_status(self, path):
        """The status of a GET on the admin port; 0 where it does not answer."""
        try:
            return requests.get(f"http://{self.admin}{path}", timeout=2).status_code
        except requests.RequestException:
            return 0


class SpoolDisk:
    """A small file system of its own for the spools, so that filling it harms nobody else."""

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir()
        self._filler = folder / "filler"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SPOOL_DISK_BYTES}", "tmpfs", str(folder)], check=True)

    def fill(self, room_bytes):
        """Leave so much room and no more."""
        with open(self._filler, "wb", buffering=0) as filler:
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
            filler.truncate(max(0, filler.tell() - room_bytes))

    def drain(self):
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def close(self):
        """Unmount it."""
        self.drain()
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class Stage:
    """The world of one schedule, its instances, and what its faults left in the topics."""

    def __init__(self, services, folder, redis_db, ledger, plan):
        self.services = services
        self.proxies = services.proxies
        self.ledger = ledger
        self.folder = pathlib.Path(folder)
        self.junk = []              # what was put into the topics by hand: faults_topic.Junk
        self.disk = SpoolDisk(self.folder / "disk") if os.geteuid() == 0 else None
        self.spools = self.disk.folder if self.disk else self.folder
        self.fsync_flag = self.folder / "fsync-fails"
        self.options = {**OPTIONS, **plan.options}
        if plan.needs_shim:
            self.options |= {"LD_PRELOAD": FSYNC_SHIM, "FSYNC_SHIM_FOLDER": self.spools,
                             "FSYNC_SHIM_FLAG": self.fsync_flag}
        self._retired = []
        self.slots = [Slot(self, number) for number in range(plan.instances)]
        self.world = harness.World(services.harness, self.folder, redis_db)
        self.world.env.update(services.env)

    def open(self):
        """Migrate, start all instances and wait until they are ready."""
        harness.eventually(self.world.migrate, 60)
        for slot in self.slots:
            slot.start()
        for slot in self.slots:
            slot.server.wait_ready()
            slot.measure()

    def add_slot(self):
        """One more place, not started yet."""
        slot = Slot(self, len(self.slots) + 10)
        self.slots.append(slot)
        return slot

    def retire_slot(self, slot):
        """A place whose instance has ended. It comes back when all is healed if it left events in its spool."""
        self.slots.remove(slot)
        if slot.has_spooled():
            self._retired.append(slot)

    def addresses(self):
        """Where clients may send to."""
        return [slot.address for slot in self.slots]

    def owners(self):
        """{partition: (owner, epoch)} of the fences."""
        return {row[0]: row[1:] for row in self.world.sql("SELECT partition, owner, epoch FROM partition_fences")}

    def heal(self):
        """Bring back whatever a fault that failed half-way may have left broken."""
        self.services.heal()
        if self.disk is not None:
            self.disk.drain()
        for slot in self.slots:
            if slot.is_running():
                slot.thaw()
            elif slot.server.exit_code is not None:
                slot.start()
        for slot in self._retired:
            slot.start()
        self.slots += self._retired
        self._retired = []

    def close(self):
        """Stop the instances and drop the world; what went wrong at that."""
        problem = ""
        try:
            with contextlib.redirect_stdout(None):
                self.world.close()
        except AssertionError as error:
            problem = str(error)
        if self.disk is not None:
            self.disk.close()
        return problem

    def keep_logs(self, folder):
        """Copy the instances' logs into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for server in self.world.servers:
            shutil.copy(server.log_path, folder / f"{server.cwd.name}.log")
