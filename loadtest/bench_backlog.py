"""The benchmark's cases of processing: a backlog from its topics to committed rows, and the plans of the statements."""

import sys
import time

import bench_plans
from bench_history import fill
from bench_probe import Meter
from bench_result import make_row
from bench_rig import BUILD, BenchError, eventually, last_json

HOURS = 20
HISTORY_DAYS = 60
BACKLOG_SECONDS = 7200
SETTLE_SECONDS = 1800
PLANS_EVENTS = 100_000
CLOSED = "SELECT closed_through = (now() AT TIME ZONE 'UTC')::date - 1 FROM journal_state"


def limit_program(rig, world, name, *args):
    """Run one of build/limits to its end on a world: its measurement."""
    meter = Meter(rig)
    result = last_json(rig.run([BUILD / "limits" / name, *args], world.env), name)
    if not result["events"]:
        raise BenchError(f"limits/{name} {' '.join(map(str, args))} did nothing")
    return {"value": result["events"] / result["seconds"]} | meter.figures(result["events"],
                                                                           {"program": result["cpu"]})


def history_world(rig, settings, campaigns):
    """A world with STORED events in it, that others are copied from; None for none."""
    def make():
        began = time.monotonic()
        world = rig.world()
        fill(world, settings.stored, campaigns, settings.partitions, HISTORY_DAYS, HOURS)
        server = rig.serve(world, ROLE="process", HTTP_WORKERS=16)  # writes the journals
        try:
            eventually(lambda: world.sql(CLOSED) == "t" or server.check(), SETTLE_SECONDS, "the history has journals")
        finally:
            server.stop()
        seconds = time.monotonic() - began
        print(f"bench: stored {settings.stored:,} events, {seconds:.0f} s", file=sys.stderr, flush=True)
        return world
    return rig.once(f"history of {campaigns}", make) if settings.stored else None


def process(rig, world, events, campaigns):
    """Fill Kafka while nothing processes, then time a processing role from its start until all is booked."""
    rig.run([BUILD / "limits/produce", "backlog", events, HOURS, campaigns], world.env)
    meter, began = Meter(rig), time.monotonic()
    server = rig.serve(world, ROLE="process", HTTP_WORKERS=16)
    try:
        ready = time.monotonic() - began

        def is_done():
            server.check()
            return server.processed() >= events
        eventually(is_done, BACKLOG_SECONDS, "the backlog is processed")
        seconds = time.monotonic() - began
        meter.add_program(server)
        if server.events("stored") != events or server.processed() != events:
            raise BenchError("not all events of the backlog were stored")
        return {"value": events / seconds, "more": {"seconds": seconds, "seconds until ready": ready}
                } | meter.figures(events)
    finally:
        server.stop()


def in_world(rig, history, measure):
    """What measure(world) answers for a world of its own."""
    world = rig.world(template=history)
    try:
        return measure(world)
    finally:
        world.drop()


def turns(rounds, measures):
    """Measure all in turn, so many times: a list of measurements for each."""
    found = [[] for _ in measures]
    for _ in range(rounds):
        for into, measure in zip(found, measures):
            into.append(measure())
    return found


def backlog(rig, case, settings):
    """Events in Kafka to committed rows, beside one backend with ready batches, and a bare COPY."""
    feed = (settings.events, HOURS, settings.campaigns)
    ledger, ours, copied = turns(settings.rounds, [
        lambda: in_world(rig, None, lambda w: limit_program(rig, w, "ledger", *feed)),
        lambda: in_world(rig, None, lambda w: process(rig, w, settings.events, settings.campaigns)),
        lambda: in_world(rig, None, lambda w: limit_program(rig, w, "copy", *feed))])
    return [make_row(case.name, f"{case.what}, beside one backend", "/s", ours, ledger),
            make_row(f"{case.name}-copy", f"{case.what}, beside a bare COPY", "/s", ours, copied)]


def stored(rig, case, settings):
    """The same with a history of STORED events, beside the same without."""
    history = history_world(rig, settings, settings.campaigns)
    empty, ours = turns(settings.rounds, [
        lambda: in_world(rig, None, lambda w: process(rig, w, settings.events, settings.campaigns)),
        lambda: in_world(rig, history, lambda w: process(rig, w, settings.events, settings.campaigns))])
    what = f"{case.what}: {settings.stored:,} stored, {settings.stored // 5:,} in the window, beside none"
    return [make_row(case.name, what, "/s", ours, empty)]


def many_campaigns(rig, case, settings, campaigns):
    """The same with so many campaigns, each number beside CAMPAIGNS."""
    def measure(number):
        return lambda: in_world(rig, None, lambda w: process(rig, w, settings.events, number))

    few, *found = turns(settings.rounds, [measure(number) for number in (settings.campaigns, *campaigns)])
    return [make_row(f"{case.name}-{number}", f"{case.what}, {number:,} campaigns, beside {settings.campaigns:,}", "/s",
                     ours, few) for number, ours in zip(campaigns, found)]


def plans(rig, case, settings):
    """A part of the backlog once more with auto_explain; a bad plan of a writer's statement is an error."""
    history = history_world(rig, settings, settings.campaigns)

    def explained(world):
        with bench_plans.explaining(rig, world) as log:
            process(rig, world, min(settings.events, PLANS_EVENTS), settings.campaigns)
        return bench_plans.judge(log())

    found = in_world(rig, history, explained)
    if found["problems"]:
        raise BenchError("plans of the writers' statements:\n" + "\n".join(found["problems"]))
    return [make_row(case.name, case.what, "statements", [{"value": found["statements"], "more": {
        "plans seen": found["plans"], "sequential scans": 0, "partitions of one Append at most": found["most"]}}])]
