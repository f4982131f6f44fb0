"""The benchmark's cases that are requests and answers: ingest, batches, statistics, many clients."""

import datetime
import os
import subprocess
import time

from bench_pace import CAMPAIGNS as PACED_CAMPAIGNS
from bench_pace import campaign_id, pace
from bench_history import fill
from bench_probe import Meter
from bench_result import make_row
from bench_rig import BUILD, ROOT, BenchError, eventually, last_json

WRK_LUA = ROOT / "loadtest/wrk.lua"
YEAR_EVENTS, YEAR_CAMPAIGNS, YEAR_DAYS = 500_000, 50, 365
LIVE_RATE = 500
DRAIN_SECONDS = 300


def wrk(url, connections, seconds, *what):
    """Run wrk, which knows whole seconds; its result, CPU seconds included. Refused or broken requests are an error."""
    duration = f"-d{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", duration, "--timeout", "10s", "-s", WRK_LUA, url, "--", *what]
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


def measured(rig, process, load, events_each=1, processes=False):
    """One run of load against a process: its measurement; events_each is how many events a request carries. What is
    consumed until the events are processed is counted too, where the process processes them."""
    meter = Meter(rig, process)
    try:
        result = load(process.url)
    except BenchError:
        process.check()  # or its end is the reason
        raise
    events = result["requests"] * events_each
    found = {"value": events / result["seconds"], "p50": result["p50"], "p99": result["p99"], "p999": result["p999"]}
    if processes:
        began = time.monotonic()
        drain(process)
        found["more"] = {"seconds until all was processed": time.monotonic() - began}
    return found | meter.figures(events, {"load generator": result["cpu"]})


def drain(server):
    """Wait until what came in is processed, so that it disturbs no other measurement. (The lag is a second old.)"""
    def is_drained():
        server.check()
        return server.processed() >= server.metric('tyr_accepted_total{outcome="accepted"}') and server.lag() == 0
    eventually(is_drained, DRAIN_SECONDS, "the program has processed what came in")


def alternate(rounds, ours, limit):
    """Measure in alternation, each first in turn: lists of both."""
    found = {ours: [], limit: []}
    for i in range(rounds):
        for one in (limit, ours) if i % 2 == 0 else (ours, limit):
            found[one].append(one())
    return found[ours], found[limit]


def warm(rig, seconds):
    """Let the broker's virtual machine compile what it runs, by load of every kind that is measured nowhere."""
    world = rig.world()
    server = rig.serve(world, HTTP_WORKERS=256)
    try:
        wrk(server.url, 64, seconds / 2, "clicks")
        wrk(server.url, 4, seconds / 4, "batch", 100)
        rig.run([BUILD / "limits/produce", "alone", int(seconds * 250)], rig.world().env)
        drain(server)
    finally:
        server.stop()


def ingest(rig, case, settings, connections, role):
    """One click a request beside the bare CivetWeb."""
    server = rig.serve(rig.world(), ROLE=role, HTTP_WORKERS=settings.workers)
    bare = rig.bare_http(settings.workers)

    def load(url):
        return wrk(url, connections, settings.seconds, "clicks")

    processes = role == "all"
    try:
        load(server.url)
        if processes:
            drain(server)
        found = alternate(settings.rounds, lambda: measured(rig, server, load, processes=processes),
                          lambda: measured(rig, bare, load))
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
        meter = Meter(rig)
        result = last_json(rig.run([BUILD / "limits/produce", "alone", int(settings.seconds * 1000)], world.env),
                           "produce")
        return {"value": result["events"] / result["seconds"]} | meter.figures(
            result["events"], {"load generator": result["cpu"]})

    try:
        load(server.url)
        found = alternate(settings.rounds, lambda: measured(rig, server, load, size), limit)
    finally:
        server.stop()
    return [make_row(case.name, case.what, "/s", *found)]


def year_world(rig, settings):
    """A world with a year of events of many campaigns, which is read much more often than it changes."""
    world = rig.world()
    fill(world, YEAR_EVENTS, YEAR_CAMPAIGNS, settings.partitions, YEAR_DAYS, 0)
    return world


def statistics_query(rig, days, campaigns):
    """So many days until today by day: the path, a file of the campaigns for wrk.lua, the campaigns."""
    file = rig.dir / "campaigns"
    ids = [campaign_id(i) for i in range(campaigns)]
    file.write_text("\n".join(ids) + "\n", encoding="ascii")
    first = datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=days - 1)
    return f"/api/campaigns/statistics?group_by=daily&from={first}&campaign_id=", file, ids


def warm_statistics(server, path, ids, cold=False):
    """Wait until the program has journals of all days and answers without PostgreSQL, or, with a cache that holds less,
    from the journals; the size of an answer."""
    sizes = []

    def is_warm():
        before = server.metric('tyr_statistics_source_total{source="postgres"}')
        answers = [server.fetch(path + one) for one in ids]
        sizes[:] = [len(body) for status, body in answers if status == 200]
        time.sleep(0.2)
        return len(sizes) == len(ids) and (
            cold or server.metric('tyr_statistics_source_total{source="postgres"}') == before)
    eventually(is_warm, DRAIN_SECONDS, "statistics are answered without PostgreSQL")
    return max(sizes)


def with_sources(server, measure):
    """A measurement that also says where its answers came from, in per cent, and what came in meanwhile."""
    names = ("cache", "redis", "postgres")

    def counts():
        return [server.metric(f'tyr_statistics_source_total{{source="{name}"}}') for name in names]

    before = counts()
    measurement = measure()
    parts = [after - was for after, was in zip(counts(), before)]
    shares = {f"% from {name}": 100 * part / sum(parts) for name, part in zip(names, parts) if sum(parts)}
    return measurement | {"more": measurement.get("more", {}) | shares}


def statistics(rig, case, settings, connections, rate=0, campaigns=YEAR_CAMPAIGNS, cold=False):
    """A year by day beside a bare CivetWeb that answers as many bytes, both with `rate` events a second coming in;
    cold: with a cache that holds two of the campaigns' years."""
    world = rig.once("year", lambda: year_world(rig, settings))
    cache = {"HISTORY_CACHE_DAYS": 1000} if cold else {}
    server = rig.serve(world, HTTP_WORKERS=settings.workers, **cache)
    path, file, ids = statistics_query(rig, YEAR_DAYS, campaigns)
    bare = rig.bare_http(settings.workers, warm_statistics(server, path, ids, cold))

    def load(url):
        return wrk(url, connections, settings.seconds, "get", path, file)

    def ingesting(process):
        with pace(server.listen, rate) as pacer:
            measurement = measured(rig, process, load)
        if pacer:
            measurement["more"] = {"events/s that came in": pacer.accepted}
            drain(server)
        return measurement

    try:
        load(server.url)
        found = alternate(settings.rounds, lambda: with_sources(server, lambda: ingesting(server)),
                          lambda: ingesting(bare))
    finally:
        server.stop()
        bare.stop()
    return [make_row(case.name, case.what, "/s", *found)]


def live(rig, case, settings, connections):
    """Today's numbers over HTTP beside the same reads from Redis by one connection, as many in a pipeline."""
    world = rig.world()
    server = rig.serve(world, HTTP_WORKERS=settings.workers)
    path, file, ids = statistics_query(rig, 1, PACED_CAMPAIGNS)

    def load(url):
        return wrk(url, connections, settings.seconds, "get", path, file)

    def limit():
        meter = Meter(rig)
        result = last_json(rig.run([BUILD / "limits/reads", int(settings.seconds * 1000), connections,
                                    PACED_CAMPAIGNS], world.env), "reads")
        return {"value": result["events"] / result["seconds"]} | meter.figures(
            result["events"], {"load generator": result["cpu"]})

    try:
        with pace(server.listen, LIVE_RATE):
            time.sleep(2)  # so that every campaign has a day
        drain(server)
        warm_statistics(server, path, ids)
        load(server.url)
        found = alternate(settings.rounds, lambda: with_sources(server, lambda: measured(rig, server, load)), limit)
    finally:
        server.stop()
    return [make_row(case.name, case.what, "/s", *found)]
