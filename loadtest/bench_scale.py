"""The benchmark's cases of size: memory, start, idling, many clients."""

import contextlib
import json
import os
import resource
import socket
import time

from bench_http import drain
from bench_pace import CAMPAIGNS, campaign_id, rfc3339_now
from bench_probe import Meter, cpu_seconds, rss_mb
from bench_result import make_row
from bench_rig import BUILD, ROOT, BenchError

IDLE_SECONDS = 20   # so that a tick of the clock is a twentieth of a per cent
K6_FAILED = 99      # a threshold of the script was passed; the figures are whole


def idle(rig, case, settings, workers):
    """Memory and CPU without a client."""
    options = {"HTTP_WORKERS": workers} if workers else {}
    server = rig.serve(rig.world(), **options)
    try:
        time.sleep(2)
        seconds = max(IDLE_SECONDS, settings.seconds)
        meter = Meter(rig, server)
        before = cpu_seconds(server.pid)
        time.sleep(seconds)
        percent = 100 * (cpu_seconds(server.pid) - before) / seconds
        switches = meter.figures(1)["switches"] / seconds
        measurement = {"value": rss_mb(server.pid), "more": {
            "% of a core": percent, "switches a second": switches, "over seconds": seconds}}
    finally:
        server.stop()
    return [make_row(case.name, case.what, "MB", [measurement], better="less")]


def timed(start):
    """Start a process until it answers: its measurement."""
    began = time.monotonic()
    process = start()
    try:
        return {"value": time.monotonic() - began, "more": {
            "MB": rss_mb(process.pid), "CPU seconds": cpu_seconds(process.pid)}}
    finally:
        process.stop()


def start(rig, case, settings, workers):
    """From exec to ready, beside a bare CivetWeb with as many threads."""
    world = rig.world()
    found = {"ours": [], "limit": []}
    for _ in range(settings.rounds):
        found["limit"].append(timed(lambda: rig.bare_http(workers)))
        found["ours"].append(timed(lambda: rig.serve(world, HTTP_WORKERS=workers)))
    return [make_row(case.name, case.what, "s", found["ours"], found["limit"], better="less")]


def click(number):
    """A click as bytes of a request."""
    body = json.dumps({"campaign_id": campaign_id(number % CAMPAIGNS), "click_date": rfc3339_now(),
                       "user_id": f"00000000-0000-4000-8000-{number:012x}",
                       "click_id": f"00000000-0000-4000-8001-{number:012x}", "source": "newsletter"})
    return (f"POST /api/events/click HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode("ascii")


def allow_files(wanted):
    """Let this process open so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (ValueError, OSError):
            raise BenchError("the limit of open files (ulimit -Hn) is too low") from None


def held(process, number):
    """Memory in KB a connection: opened and silent, and after each has carried a click; and the MB before."""
    host, port = process.listen.rsplit(":", 1)
    before = rss_mb(process.pid)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection((host, int(port)), 10)) for _ in range(number)]
        time.sleep(1)
        silent = rss_mb(process.pid)
        for i, one in enumerate(sockets):
            one.sendall(click(i))
        for one in sockets:
            if not one.recv(4096).startswith(b"HTTP/1.1 201"):
                raise BenchError("a click on a held connection was not accepted")
        used = rss_mb(process.pid)
    return {"value": 1024 * (used - before) / number, "more": {
        "MB before": before, "MB with all open": silent, "MB after a click on each": used,
        "KB a silent connection": 1024 * (silent - before) / number}}


def connections(rig, case, settings):
    """Memory of CLIENTS connections that are kept, on default settings, beside a bare CivetWeb."""
    allow_files(settings.clients + 1000)
    found = {"ours": [], "limit": []}
    server = rig.serve(rig.world())
    bare = rig.bare_http(settings.clients + settings.clients // 40)
    try:
        found["limit"].append(held(bare, settings.clients))
        found["ours"].append(held(server, settings.clients))
        drain(server)
    finally:
        server.stop()
        bare.stop()
    return [make_row(case.name, case.what, "KB", found["ours"], found["limit"], better="less")]


def alternately(rig, settings, measure):
    """Measure a bare CivetWeb with a thread for each client, and the program on default settings, in turn."""
    server = rig.serve(rig.world())
    bare = rig.bare_http(settings.clients + settings.clients // 40)
    found = {"ours": [], "limit": []}
    try:
        for _ in range(settings.rounds):
            for name, process in (("limit", bare), ("ours", server)):
                found[name].append(measure(process))
                process.check()
            drain(server)
    finally:
        server.stop()
        bare.stop()
    return found["ours"], found["limit"]


def run_clients(rig, process, settings):
    """Keep-alive clients, each posting and pausing two seconds on average."""
    meter = Meter(rig, process)
    text = rig.run([BUILD / "clients", "--api", process.listen, "--admin", process.listen, "--good", settings.clients,
                    "--rate", settings.clients / 2, "--slow", 0, "--seconds", settings.seconds])
    result = json.loads(text.strip().splitlines()[-1])
    clicks = result["clicks"]
    if not clicks["n"]:
        raise BenchError(f"no client was answered: {text[-300:]}")
    return {"value": clicks["p99"], "p50": clicks["p50"], "p99": clicks["p99"], "p999": clicks["p999"], "more": {
        "clicks a second": result["per_second"], "failed": clicks["errors"], "starved": clicks["starved_5s"],
        "longest ms": clicks["max"], "generator's cores": result["own_cpu"]}
            } | meter.figures(sum(result["answers"].values()))  # those before the measured time too, as the CPU


def clients(rig, case, settings):
    """Many keep-alive clients on default settings, beside a bare CivetWeb with a thread for each."""
    found = alternately(rig, settings, lambda process: run_clients(rig, process, settings))
    return [make_row(case.name, case.what, "ms", *found, better="less")]


def run_k6(rig, process, settings, k6):
    """loadtest/click-event-test.js with CLIENTS virtual users: its measurement, p95 in ms."""
    summary = rig.dir / "k6.json"
    meter = Meter(rig, process)
    rig.run([k6, "run", "--quiet", "--no-usage-report", "--summary-export", summary, "-e", f"VUS={settings.clients}",
             "-e", f"DURATION={max(1, round(settings.seconds))}s", "-e", f"BASE_URL={process.url}",
             "-e", "LATENCY_SCALE=1000", ROOT / "loadtest/click-event-test.js"], fine=(0, K6_FAILED))
    found = json.loads(summary.read_text(encoding="utf-8"))["metrics"]
    times, requests = found["http_req_duration"], found["http_reqs"]
    return {"value": times["p(95)"], "p50": times["med"], "p99": times["p(99)"], "more": {
        "requests a second": requests["rate"], "requests": requests["count"],
        "failed": requests["count"] * found["http_req_failed"]["value"],
        "% of clicks without success": 100 * found["failures"]["value"],
        "repeated": found.get("repeats", {}).get("count", 0), "longest ms": times["max"]}
            } | meter.figures(requests["count"])


def k6(rig, case, settings):
    """The k6 script with as many virtual users as clients, against both."""
    binary = rig.run([ROOT / "loadtest/k6.sh"], os.environ).strip().splitlines()[-1]
    found = alternately(rig, settings, lambda process: run_k6(rig, process, settings, binary))
    return [make_row(case.name, case.what, "ms", *found, better="less")]
