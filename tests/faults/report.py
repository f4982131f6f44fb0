"""
What came out: one record a schedule, a table of cells from any number of them.

A cell's numbers are sums over the schedules in which it was hit. A schedule has several cells, and what it lost
is written down for all of them; the last row counts every schedule once.
"""

import json


def percentile(values, share):
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def write(path, seed, schedules):
    """Write a report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"seed": seed, "schedules": schedules}, indent=1), encoding="utf-8")


def read(paths):
    """The schedules of several reports."""
    return [schedule for path in paths for schedule in json.loads(path.read_text(encoding="utf-8"))["schedules"]]


def _row(name, schedules, hits, recoveries):
    def total(key):
        return sum(schedule[key] for schedule in schedules)

    def seconds(share):
        value = percentile(recoveries, share)
        return "-" if value is None else f"{value:.1f}"
    return [name, len(schedules), hits, total("acknowledged"), total("lost"), total("doubled"), total("wrong"),
            seconds(0.5), seconds(0.99)]


def rows(schedules):
    """The rows of the table, in the order in which cells first came, and the row of all."""
    names = dict.fromkeys(step["cell"] for schedule in schedules for step in schedule["steps"])
    table = []
    for name in sorted(names):
        with_hit = [s for s in schedules if any(step["cell"] == name and step["hit"] for step in s["steps"])]
        steps = [step for s in schedules for step in s["steps"] if step["cell"] == name]
        recoveries = [step["recovery"] for step in steps if step["hit"] and step["recovery"] is not None]
        table.append(_row(name, with_hit, sum(step["hit"] for step in steps), recoveries))
    steps = [step for schedule in schedules for step in schedule["steps"]]
    table.append(_row("all", schedules, sum(step["hit"] for step in steps),
                      [step["recovery"] for step in steps if step["hit"] and step["recovery"] is not None]))
    return table


def markdown(schedules):
    """The table."""
    head = ["cell", "schedules", "hits", "acknowledged", "lost", "doubled", "wrong", "recovery p50 s", "p99 s"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) + " |"
              for row in rows(schedules)]
    return "\n".join(lines)
