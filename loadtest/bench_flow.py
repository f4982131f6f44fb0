"""The benchmark's cases that look past the answer: a backlog, a steady stream, freshness, memory."""

import json
import time

from bench_http import HISTORY, PARTITIONS, drain, per_million
from bench_pace import CAMPAIGNS, Pacer, Probe, pace, percentile
from bench_probe import Meter, cpu_seconds, memory_mb, rss_mb, service_pids
from bench_result import make_row
from bench_rig import BUILD, BenchError, eventually, last_json

PROBES = 4
HOURS = 20
BACKLOG_SECONDS = 7200
SAMPLES = 200


def limit_program(rig, world, name, *args):
    """Run one of build/limits to its end on a world: its measurement."""
    meter = Meter(service_pids(rig))
    result = last_json(rig.run([BUILD / "limits" / name, *args], world.env), name)
    if not result["events"]:
        raise BenchError(f"limits/{name} {' '.join(map(str, args))} did nothing")
    cpu = meter.cpu() | {"program": result["cpu"]}
    return {"value": result["events"] / result["seconds"], "cpu": per_million(cpu, result["events"])}


def history_world(rig, settings):
    """A world with STORED events in it, that others are copied from; None for none."""
    if not settings.stored:
        return None
    world = rig.world(KAFKA_PARTITIONS=PARTITIONS)
    rig.psql(HISTORY, world.name,
             variables={"stored": settings.stored, "campaigns": CAMPAIGNS, "partitions": PARTITIONS})
    return world


def process_backlog(rig, settings, world):
    """Fill Kafka while nothing processes, then time a processing role from its start until all is booked."""
    rig.run([BUILD / "limits/produce", "backlog", settings.events, HOURS, CAMPAIGNS], world.env)
    services = Meter(service_pids(rig))
    began = time.monotonic()
    server = rig.serve(world, ROLE="process", HTTP_WORKERS=16)
    try:
        ready = time.monotonic() - began

        def is_done():
            server.check()
            return server.events("stored") >= settings.events and server.lag() == 0
        eventually(is_done, BACKLOG_SECONDS, "the backlog is processed")
        seconds = time.monotonic() - began
        if server.events("stored") != settings.events or server.events("dead_lettered"):
            raise BenchError("not all events of the backlog were stored")
        cpu = {"program": cpu_seconds(server.pid)} | services.cpu()
        return {"value": settings.events / seconds, "cpu": per_million(cpu, settings.events),
                "memory": services.memory() | {"program": memory_mb(server.pid)},
                "more": {"seconds": seconds, "seconds until ready": ready}}
    finally:
        server.stop()


def backlog(rig, case, settings):
    """Events in Kafka to committed rows, beside one backend with ready batches, and a bare COPY."""
    history = history_world(rig, settings)
    ours, ledger, copied = [], [], []
    feed = (settings.events, HOURS, CAMPAIGNS)
    for _ in range(settings.rounds):
        for into, measure in ((ledger, lambda w: limit_program(rig, w, "ledger", *feed)),
                              (ours, lambda w: process_backlog(rig, settings, w)),
                              (copied, lambda w: limit_program(rig, w, "copy", *feed))):
            world = rig.world(template=history, KAFKA_PARTITIONS=PARTITIONS)
            try:
                into.append(measure(world))
            finally:
                world.drop()
    if history:
        history.drop()
    return [make_row(case.name, f"{case.what}, beside one backend", "/s", ours, ledger),
            make_row(f"{case.name}-copy", f"{case.what}, beside a bare COPY", "/s", ours, copied)]


def slope(samples):
    """Least squares of (seconds, value): the change an hour."""
    n = len(samples)
    if n < 2:
        return 0.0
    x, y = sum(s[0] for s in samples) / n, sum(s[1] for s in samples) / n
    spread = sum((s[0] - x) ** 2 for s in samples)
    return 3600 * sum((s[0] - x) * (s[1] - y) for s in samples) / spread if spread else 0.0


def sample(server, seconds):
    """Lag and memory while a stream goes on: [(seconds, lag, MB)]."""
    samples, began = [], time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(max(0.2, seconds / SAMPLES))
        server.check()
        lag = server.lag()
        if lag is not None:
            samples.append((time.monotonic() - began, lag, rss_mb(server.pid)))
    return samples


def steady(rig, case, settings, share, minutes):
    """Ingest and processing together at RATE, or a share of it: lag, memory and their slopes an hour."""
    rate = settings.rate * share
    seconds = settings.minutes * 60 if minutes else settings.seconds
    server = rig.serve(rig.world(), HTTP_WORKERS=settings.workers)
    try:
        with pace(server.listen, rate):
            time.sleep(min(3, seconds))  # the first events make campaigns and fill caches
        drain(server)
        meter, own = Meter({"program": server.pid} | service_pids(rig)), time.process_time()
        pacer = Pacer(server.listen, rate)
        samples = sample(server, seconds)
        pacer.stop()
        cpu = meter.cpu() | {"load generator": time.process_time() - own}
        began = time.monotonic()
        drain(server)
        lags, times = [lag for _, lag, _ in samples], sorted(pacer.times_ms)
        measurement = {
            "value": pacer.accepted, "cpu": per_million(cpu, pacer.sent), "memory": meter.memory(),
            "p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "p999": percentile(times, 0.999),
            "more": {"asked for": rate, "seconds": seconds, "lag at most": max(lags, default=None),
                     "lag at the end": lags[-1] if lags else None,
                     "lag an hour": slope([(at, lag) for at, lag, _ in samples]),
                     "MB an hour": slope([(at, mb) for at, _, mb in samples]),
                     "seconds to catch up": time.monotonic() - began}}
    finally:
        server.stop()
    return [make_row(case.name, case.what, "/s", [measurement])]


def freshness(rig, case, settings, rate):
    """From 201 to visible in statistics, beside a stream of so many events a second."""
    server = rig.serve(rig.world(), HTTP_WORKERS=settings.workers)
    measurements = []
    try:
        for _ in range(settings.rounds):
            with pace(server.listen, rate) as pacer:
                time.sleep(1)
                probes = [Probe(server.listen, settings.seconds) for _ in range(PROBES)]
                times = sorted(ms for probe in probes for ms in probe.result())
            drain(server)
            if not times:
                raise BenchError("no click became visible in time; give more SECONDS")
            measurements.append({"value": percentile(times, 0.99), "p50": percentile(times, 0.5),
                                 "p99": percentile(times, 0.99), "p999": percentile(times, 0.999),
                                 "more": {"clicks": len(times), "events/s that came in": pacer.accepted,
                                          "batch p99 ms": percentile(sorted(pacer.times_ms), 0.99)}})
    finally:
        server.stop()
    return [make_row(case.name, case.what, "ms", measurements, better="less")]


def idle(rig, case, settings, workers):
    """Memory and CPU without a client."""
    options = {"HTTP_WORKERS": workers} if workers else {}
    server = rig.serve(rig.world(), **options)
    try:
        time.sleep(2)
        before = cpu_seconds(server.pid)
        time.sleep(settings.seconds)
        percent = 100 * (cpu_seconds(server.pid) - before) / settings.seconds
        measurement = {"value": rss_mb(server.pid), "more": {"% of a core": percent}}
    finally:
        server.stop()
    return [make_row(case.name, case.what, "MB", [measurement], better="less")]


def run_clients(rig, url, settings):
    """10,000 keep-alive clients, each posting and pausing two seconds on average."""
    listen = url.removeprefix("http://")
    text = rig.run([BUILD / "clients", "--api", listen, "--admin", listen, "--good", settings.clients, "--rate",
                    settings.clients / 2, "--slow", 0, "--seconds", settings.seconds])
    result = json.loads(text.strip().splitlines()[-1])
    clicks = result["clicks"]
    if not clicks["n"]:
        raise BenchError(f"no client was answered: {text[-300:]}")
    return result, clicks


def clients(rig, case, settings):
    """Many keep-alive clients on default settings, beside a bare CivetWeb with a thread for each."""
    server = rig.serve(rig.world())
    bare = rig.bare_http(settings.clients + settings.clients // 40)
    found = {"ours": [], "limit": []}
    try:
        for _ in range(settings.rounds):
            for name, process in (("limit", bare), ("ours", server)):
                meter = Meter({"program": process.pid} | service_pids(rig))
                result, clicks = run_clients(rig, process.url, settings)
                process.check()
                found[name].append({
                    "value": clicks["p99"], "p50": clicks["p50"], "p99": clicks["p99"], "p999": clicks["p999"],
                    "cpu": per_million(meter.cpu(), clicks["n"]), "memory": meter.memory(),
                    "more": {"clicks a second": result["per_second"], "failed": clicks["errors"],
                             "starved": clicks["starved_5s"], "longest ms": clicks["max"],
                             "generator's cores": result["own_cpu"]}})
            drain(server)
    finally:
        server.stop()
        bare.stop()
    return [make_row(case.name, case.what, "ms", found["ours"], found["limit"], better="less")]
