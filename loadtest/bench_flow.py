"""The benchmark's cases of a stream that goes on: lag and memory over time, freshness."""

import time

from bench_http import drain
from bench_pace import Pacer, Probe, pace, percentile
from bench_probe import Meter, memory_now
from bench_result import make_row
from bench_rig import BenchError

PROBES = 4
SAMPLES = 300
SAMPLE_SECONDS_MIN = 1       # lag is as old; looking at memory takes 30 ms
SETTLING_SHARE = 0.2         # of a run is not in the slopes, since caches still fill
SETTLING_SECONDS_MAX = 300


def slope(samples):
    """Least squares of (seconds, value): the change an hour."""
    n = len(samples)
    if n < 2:
        return 0.0
    x, y = sum(s[0] for s in samples) / n, sum(s[1] for s in samples) / n
    spread = sum((s[0] - x) ** 2 for s in samples)
    return 3600 * sum((s[0] - x) * (s[1] - y) for s in samples) / spread if spread else 0.0


def sample(rig, server, seconds):
    """Lag and memory while a stream goes on: [(seconds, lag, {process: MB})]."""
    samples, began = [], time.monotonic()
    while time.monotonic() < began + seconds:
        time.sleep(max(SAMPLE_SECONDS_MIN, seconds / SAMPLES))
        server.check()
        lag = server.lag()
        if lag is not None:
            samples.append((time.monotonic() - began, lag, memory_now(rig, server)))
    return samples


def slopes(samples, seconds):
    """What samples say: how large lag was, and how lag and memory changed an hour once the run had settled."""
    settled = [s for s in samples if s[0] > min(SETTLING_SECONDS_MAX, seconds * SETTLING_SHARE)]
    lags = [lag for _, lag, _ in samples]
    found = {"lag at most": max(lags, default=None), "lag at the end": lags[-1] if lags else None,
             "lag events an hour": slope([(at, lag) for at, lag, _ in settled])}
    for name in settled[0][2] if settled else ():
        found[f"{name} MB"] = settled[-1][2][name]
        found[f"{name} KB an hour"] = 1024 * slope([(at, memory[name]) for at, _, memory in settled])
    return found


def steady(rig, case, settings, share, minutes):
    """Ingest and processing together at RATE, or a share of it: lag, memory and their slopes an hour."""
    rate = settings.rate * share
    seconds = 60 * (settings.minutes or minutes or settings.seconds / 60)
    server = rig.serve(rig.world(), HTTP_WORKERS=settings.workers)
    try:
        with pace(server.listen, rate):
            time.sleep(min(3, seconds))  # the first events make campaigns and fill caches
        drain(server)
        meter, own = Meter(rig, server), time.process_time()
        pacer = Pacer(server.listen, rate)
        samples = sample(rig, server, seconds)
        pacer.stop()
        own, began = time.process_time() - own, time.monotonic()
        drain(server)
        caught_up, times = time.monotonic() - began, sorted(pacer.times_ms)
        measurement = {
            "value": pacer.accepted,
            "p50": percentile(times, 0.5), "p99": percentile(times, 0.99), "p999": percentile(times, 0.999),
            "more": {"asked for": rate, "seconds": seconds} | slopes(samples, seconds) | {
                "seconds to catch up": caught_up}
        } | meter.figures(pacer.sent, {"load generator": own})
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
