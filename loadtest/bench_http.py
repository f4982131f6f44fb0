"""The benchmark's cases that are requests and answers: ingest, batches, statistics, many clients."""

import os
import subprocess
import time

from bench_probe import Meter, service_pids
from bench_result import make_row
from bench_rig import ROOT, BenchError, eventually, last_json

WRK_LUA = ROOT / "loadtest/wrk.lua"
DRAIN_SECONDS = 300


def wrk(url, connections, seconds, *what):
    """Run wrk; its result, CPU seconds included. Refused or broken requests are an error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", WRK_LUA, url, "--", *what]
    try:
        child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise BenchError(f"wrk cannot be started ({error}): run deploy/install.sh bench") from None
    try:
        output = child.stdout.read()
        _, status, usage = _wait(child)
    except BaseException:
        child.kill()
        raise
    if status != 0:
        raise BenchError(f"wrk ended with {status}:\n{output[-1000:]}")
    result = last_json(output, "wrk")
    result["cpu"] = usage.ru_utime + usage.ru_stime
    if result["refused"] or result["broken"] or not result["requests"]:
        raise BenchError(f"{url} {' '.join(map(str, what))}: of {result['requests']} requests {result['refused']} were "
                         f"refused and {result['broken']} broke")
    return result


def _wait(child):
    """wait4, so that the usage of this child alone is known."""
    pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return pid, child.returncode, usage


def per_million(cpu, events):
    """CPU seconds of each process per million events."""
    return {name: seconds / events * 1e6 for name, seconds in cpu.items()}


def measured(rig, process, load, events_each=1):
    """One run of load against a process: its measurement; events_each is how many events a request carries."""
    meter = Meter({"program": process.pid} | service_pids(rig))
    try:
        result = load(process.url)
    except BenchError:
        process.check()  # or its end is the reason
        raise
    cpu = meter.cpu() | {"load generator": result["cpu"]}
    events = result["requests"] * events_each
    return {"value": events / result["seconds"], "p50": result["p50"], "p99": result["p99"], "p999": result["p999"],
            "cpu": per_million(cpu, events), "memory": meter.memory()}


def drain(server):
    """Wait until what came in is processed, so that it disturbs no other measurement."""
    eventually(lambda: server.lag() == 0, DRAIN_SECONDS, "the program has processed what came in")


def alternate(rounds, ours, limit):
    """Measure in alternation, each first in turn: lists of both."""
    found = {ours: [], limit: []}
    for i in range(rounds):
        for one in (limit, ours) if i % 2 == 0 else (ours, limit):
            found[one].append(one())
    return found[ours], found[limit]


def ingest(rig, case, settings, connections, role):
    """One click a request beside the bare CivetWeb."""
    server = rig.serve(rig.world(), ROLE=role, HTTP_WORKERS=settings.workers)
    bare = rig.bare_http(settings.workers)

    def load(url):
        return wrk(url, connections, settings.seconds, "clicks")

    def ours():
        measurement = measured(rig, server, load)
        if role == "all":
            began = time.monotonic()
            drain(server)
            measurement["more"] = {"seconds until all was processed": time.monotonic() - began}
        return measurement

    load(server.url)
    try:
        found = alternate(settings.rounds, ours, lambda: measured(rig, bare, load))
    finally:
        server.stop()
        bare.stop()
    return [make_row(case.name, case.what, "/s", *found)]
