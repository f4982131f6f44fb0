"""What processes consume (CPU seconds, memory, from /proc), and on which machine and with which versions."""

import os
import pathlib
import platform
import re
import subprocess

TICK = os.sysconf("SC_CLK_TCK")
PROC = pathlib.Path("/proc")


def _stat(pid):
    return (PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rsplit(") ", 1)[1].split()


def children(pid):
    """The pids of a process's living children."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                if int(_stat(entry.name)[1]) == pid:
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue
    return found


def cpu_seconds(pid):
    """What a process, its living children and its ended ones have used."""
    ticks = 0
    for one in (pid, *children(pid)):
        try:
            fields = _stat(one)
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15] if one == pid else fields[11:13]))
    return ticks / TICK


def _kib(path, name):
    match = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(encoding="ascii"), re.M)
    return int(match[1]) if match else 0


def memory_mb(pid):
    """The peak of a process's resident memory; of one with children, what all share and have of their own now."""
    family = children(pid)
    try:
        if not family:
            return _kib(PROC / str(pid) / "status", "VmHWM") / 1024
        return sum(_kib(PROC / str(one) / "smaps_rollup", "Pss") for one in (pid, *family)) / 1024
    except OSError:
        return 0.0


def rss_mb(pid):
    """Resident memory now."""
    return _kib(PROC / str(pid) / "status", "VmRSS") / 1024


def switches(pid):
    """How often the living threads of a process were taken off a core or left one, since they began."""
    total = 0
    for task in (PROC / str(pid) / "task").iterdir():
        try:
            text = (task / "status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        total += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", text)))
    return total


class Meter:
    """What the services, and a process called the program, consume from when it was made."""

    def __init__(self, rig, program=None):
        self._rig, self._program = rig, program and program.pid
        self._pids = ({"program": program.pid} if program else {}) | service_pids(rig)
        for pid in self._pids.values():
            try:
                (PROC / str(pid) / "clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
            except OSError:
                pass
        self._wal = self._wal_bytes()
        self._switches = switches(self._program) if program else 0
        self._began = {name: cpu_seconds(pid) for name, pid in self._pids.items()}

    def add_program(self, program):
        """Count a process that was started after, from its start."""
        self._program = program.pid
        self._pids["program"], self._began["program"] = program.pid, 0.0

    def _wal_bytes(self):
        return int(self._rig.psql("SELECT pg_current_wal_insert_lsn() - '0/0'", "postgres", "postgres"))

    def cpu(self):
        """{name: seconds}"""
        return {name: cpu_seconds(pid) - self._began[name] for name, pid in self._pids.items()}

    def memory(self):
        """{name: MB}"""
        return {name: memory_mb(pid) for name, pid in self._pids.items()}

    def figures(self, events, cpu=None):
        """What one of so many events cost, as a measurement says it, with other processes' CPU seconds beside."""
        used = self.cpu() | (cpu or {})
        found = {"cpu": {name: seconds / events * 1e6 for name, seconds in used.items()}, "memory": self.memory()}
        if self._program:
            found["switches"] = (switches(self._program) - self._switches) / events
        return found | {"wal": (self._wal_bytes() - self._wal) / events}


def service_pids(rig):
    """The three services' names in the table, and their pids."""
    return {"broker": rig.service_pid("kafka"), "PostgreSQL": rig.service_pid("postgres"),
            "Redis": rig.service_pid("redis")}


def memory_now(rig, program):
    """{name: MB} of the program and the services now: resident, of PostgreSQL what its processes have together."""
    found = {}
    for name, pid in ({"program": program.pid} | service_pids(rig)).items():
        found[name] = memory_mb(pid) if name == "PostgreSQL" else rss_mb(pid)
    return found


def machine():
    """Cores, memory, kernel, CPU model."""
    cpu = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M)
    return {"cores": os.cpu_count(), "memory_gib": round(_kib(PROC / "meminfo", "MemTotal") / 2**20, 1),
            "kernel": platform.release(), "cpu": cpu[1] if cpu else platform.machine()}


def _said(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def versions(rig, root):
    """Of what was measured."""
    kafka = next(iter(pathlib.Path(os.environ.get("TYR_KAFKA_HOME") or root / "build/kafka").glob("libs/kafka_2*.jar")),
                 None)
    redis = re.search(r"v=(\S+)", _said("redis-server", "--version"))
    dirty = "+" if _said("git", "-C", str(root), "status", "--porcelain", "-uno") != "unknown" else ""
    return {
        "kafka": kafka.stem.split("-", 1)[1] if kafka else "unknown",
        "postgresql": rig.psql("SHOW server_version", "postgres", "postgres"),
        "redis": redis[1] if redis else "unknown",
        "librdkafka": _said("dpkg-query", "-W", "-f", "${Version}", "librdkafka1"),
        "civetweb": _said("dpkg-query", "-W", "-f", "${Version}", "libcivetweb1"),
        "git": _said("git", "-C", str(root), "rev-parse", "--short", "HEAD") + dirty,
    }
