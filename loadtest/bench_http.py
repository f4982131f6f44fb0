"""The benchmark's cases that are requests and answers: ingest, batches, statistics, many clients."""

import datetime
import os
import subprocess
import time

from bench_pace import CAMPAIGNS as PACED_CAMPAIGNS
from bench_pace import campaign_id, pace
from bench_probe import Meter, service_pids
from bench_result import make_row
from bench_rig import BUILD, ROOT, BenchError, eventually, last_json

WRK_LUA = ROOT / "loadtest/wrk.lua"
HISTORY = ROOT / "loadtest/bench_history.sql"
PARTITIONS = 8
YEAR_EVENTS, YEAR_CAMPAIGNS = 500_000, 50
LIVE_RATE = 500
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


def batches(rig, case, settings, size):
    """Batches on four connections beside librdkafka alone."""
    world = rig.world()
    server = rig.serve(world, ROLE="ingest", HTTP_WORKERS=settings.workers)

    def load(url):
        return wrk(url, 4, settings.seconds, "batch", size)

    def limit():
        meter = Meter(service_pids(rig))
        result = last_json(rig.run([BUILD / "limits/produce", "alone", int(settings.seconds * 1000)], world.env),
                           "produce")
        cpu = meter.cpu() | {"load generator": result["cpu"]}
        return {"value": result["events"] / result["seconds"], "cpu": per_million(cpu, result["events"])}

    load(server.url)
    try:
        found = alternate(settings.rounds, lambda: measured(rig, server, load, size), limit)
    finally:
        server.stop()
    return [make_row(case.name, case.what, "/s", *found)]


def year_world(rig):
    """A world with a year of clicks of many campaigns, which is read much more often than it changes."""
    world = rig.world(KAFKA_PARTITIONS=PARTITIONS)
    rig.psql(HISTORY, world.name, variables={"stored": YEAR_EVENTS, "campaigns": YEAR_CAMPAIGNS,
                                             "partitions": PARTITIONS})
    return world


def statistics_query(rig, days, campaigns):
    """So many days until today by day: the path, a file of the campaigns for wrk.lua, the campaigns."""
    file = rig.dir / "campaigns"
    ids = [campaign_id(i) for i in range(campaigns)]
    file.write_text("\n".join(ids) + "\n", encoding="ascii")
    first = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=days - 1)
    return f"/api/campaigns/statistics?group_by=daily&from={first}&campaign_id=", file, ids


def warm_statistics(server, path, ids):
    """Wait until the program has journals of all days and answers without PostgreSQL; the size of an answer."""
    sizes = []

    def is_warm():
        before = server.metric('tyr_statistics_source_total{source="postgres"}')
        answers = [server.fetch(path + one) for one in ids]
        sizes[:] = [len(body) for status, body in answers if status == 200]
        time.sleep(0.2)
        return len(sizes) == len(ids) and server.metric('tyr_statistics_source_total{source="postgres"}') == before
    eventually(is_warm, DRAIN_SECONDS, "statistics are answered without PostgreSQL")
    return max(sizes)


def statistics(rig, case, settings, connections, rate=0):
    """A year by day beside a bare CivetWeb that answers as many bytes, both with `rate` events a second coming in."""
    world = rig.once("year", lambda: year_world(rig))
    server = rig.serve(world, HTTP_WORKERS=settings.workers)
    path, file, ids = statistics_query(rig, 365, YEAR_CAMPAIGNS)
    bare = rig.bare_http(settings.workers, warm_statistics(server, path, ids))

    def load(url):
        return wrk(url, connections, settings.seconds, "get", path, file)

    def ingesting(process):
        with pace(server.listen, rate) as pacer:
            measurement = measured(rig, process, load)
        if pacer:
            measurement["more"] = {"events/s that came in": pacer.accepted}
        return measurement

    load(server.url)
    try:
        found = alternate(settings.rounds, lambda: ingesting(server), lambda: ingesting(bare))
        drain(server)
    finally:
        server.stop()
        bare.stop()
    return [make_row(case.name, case.what, "/s", *found)]


def live(rig, case, settings, connections):
    """Today's numbers over HTTP beside the same reads from Redis by one connection, as many in a pipeline."""
    world = rig.world(KAFKA_PARTITIONS=PARTITIONS)
    server = rig.serve(world, HTTP_WORKERS=settings.workers)
    path, file, ids = statistics_query(rig, 1, PACED_CAMPAIGNS)
    with pace(server.listen, LIVE_RATE):
        time.sleep(2)  # so that every campaign has a day
    drain(server)
    warm_statistics(server, path, ids)

    def load(url):
        return wrk(url, connections, settings.seconds, "get", path, file)

    def limit():
        meter = Meter(service_pids(rig))
        result = last_json(rig.run([BUILD / "limits/reads", int(settings.seconds * 1000), connections,
                                    PACED_CAMPAIGNS], world.env), "reads")
        return {"value": result["events"] / result["seconds"],
                "cpu": per_million(meter.cpu() | {"program": result["cpu"]}, result["events"])}

    try:
        found = alternate(settings.rounds, lambda: measured(rig, server, load), limit)
    finally:
        server.stop()
    return [make_row(case.name, case.what, "/s", *found)]
