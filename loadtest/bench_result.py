"""
Results of a benchmark: measurements become rows, rows a table and a file, two files a comparison.

A measurement is one run: {"value": 52000.0, "p50": 1.1, ..., "cpu": {"program": 12.3}, "memory": {"program": 80.0}},
cpu in seconds per million events, memory in MB, times in ms. A row has the medians of ours and of the limit's over all
rounds; its ratio is the median of the rounds' ratios, since only what was measured at nearly the same time is compared.
"""

import datetime
import json
import pathlib

TIMES = ("p50", "p99", "p999")
GROUPS = ("program", "broker", "PostgreSQL", "Redis", "load generator")
HEADS = ("what", "ours", "limit", "ratio", "p50", "p99", "p99.9", "program", "broker", "PostgreSQL", "Redis", "load",
         "MB", "WAL B", "switches")


def _median(values):
    """Of the values that are known. (A statistics.py of ours hides the library's.)"""
    known = sorted(v for v in values if v is not None)
    return (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2 if known else None


def _medians(measurements):
    """The median of every number in measurements of the same kind."""
    keys = dict.fromkeys(key for m in measurements for key in m)
    merged = {}
    for key in keys:
        values = [m[key] for m in measurements if m.get(key) is not None]
        merged[key] = _medians(values) if values and isinstance(values[0], dict) else _median(values)
    return merged


def make_row(name, what, unit, ours, limit=(), better="more"):
    """A row from measurements of each round; better is "more" or "less", of the value."""
    ratios = [a["value"] / b["value"] for a, b in zip(ours, limit) if b["value"]]
    return {"name": name, "what": what, "unit": unit, "better": better, "ours": _medians(ours),
            "limit": _medians(limit) if limit else None, "ratio": _median(ratios), "ratios": ratios}


def number(value):
    """Three significant digits or whole; nothing for None."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _line(row):
    ours, limit = row["ours"], row["limit"] or {}
    cpu = ours.get("cpu") or {}
    memory = (ours.get("memory") or {}).get("program")
    return [row["what"], f"{number(ours['value'])} {row['unit']}", number(limit.get("value")),
            "" if row["ratio"] is None else f"{row['ratio']:.2f}", *(number(ours.get(t)) for t in TIMES),
            *(number(cpu.get(g)) for g in GROUPS), number(memory),
            *(number(ours.get(key)) for key in ("wal", "switches"))]


def align(lines):
    """Rows of cells as text: the first column to the left, all others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                               for i, (cell, w) in enumerate(zip(line, widths))).rstrip() for line in lines)


def _note(what, found):
    known = [f"{key} {number(value)}" for key, value in found.items() if value is not None]
    return f"{what}: {', '.join(known)}" if known else ""


def _limit_note(row):
    """What the table does not say of the limit: its times, what one event cost, and what else was found out."""
    limit = row["limit"] or {}
    cpu = {f"CPU of {name}": seconds for name, seconds in (limit.get("cpu") or {}).items() if name in GROUPS}
    wal = {"WAL B": limit.get("wal") or None}
    return _note(row["what"] + ", the limit", {t: limit.get(t) for t in TIMES} | cpu | wal | (limit.get("more") or {}))


def table(rows):
    """The table of a run, and below it what else was found out."""
    text = align([list(HEADS), *(_line(row) for row in rows)])
    notes = [note for row in rows for note in (_note(row["what"], row["ours"].get("more") or {}), _limit_note(row))]
    return "\n".join([text, *filter(None, notes)])


def save(folder, head, rows):
    """Write a result; its path. Names sort by time."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    path = folder / f"{now:%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps({"time": f"{now:%Y-%m-%dT%H:%M:%SZ}", **head, "rows": rows}, indent=1) + "\n",
                    encoding="utf-8")
    return path


def load(path):
    """Read a result. ValueError: a sentence."""
    try:
        result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path} is not JSON") from None
    if not isinstance(result, dict) or not isinstance(result.get("rows"), list):
        raise ValueError(f"{path} is not a result of make bench")
    return result


def newest(folder):
    """The newest result of a folder. ValueError: a sentence."""
    found = sorted(pathlib.Path(folder).glob("*.json"))
    if not found:
        raise ValueError(f"{folder} has no result yet: run make bench, or give NEW=file")
    return found[-1]


def _change(base, new):
    """How many times better new is than base, and by which figure; None where neither can say."""
    if base["ratio"] and new["ratio"]:
        figure, gain = "ratio", new["ratio"] / base["ratio"]
    elif base["ours"].get("value") and new["ours"].get("value"):
        figure, gain = "value", new["ours"]["value"] / base["ours"]["value"]
    else:
        return "", None
    return figure, 1 / gain if new["better"] == "less" else gain


def _program_cpu(row):
    return (row["ours"].get("cpu") or {}).get("program")


def compare(base, new):
    """The comparison of two results as text: gains by ratios where both have one, else by the plain values."""
    known = {row["name"]: row for row in base["rows"]}
    lines = [["what", "by", "base", "new", "times better", "CPU base", "CPU new"]]
    for row in new["rows"]:
        old = known.pop(row["name"], None)
        if old is None:
            lines.append([row["what"], "", "", "only here", "", "", ""])
            continue
        by, gain = _change(old, row)
        shown = [number(r["ratio"] if by == "ratio" else r["ours"].get("value")) for r in (old, row)]
        lines.append([row["what"], by, *shown, "" if gain is None else f"{gain:.2f}",
                      number(_program_cpu(old)), number(_program_cpu(row))])
    lines += [[row["what"], "", "only here", "", "", "", ""] for row in known.values()]
    text = align(lines)
    differing = [f"{part}: {key} was {base.get(part, {}).get(key)} and is {value}"
                 for part in ("machine", "versions", "settings") for key, value in new.get(part, {}).items()
                 if base.get(part, {}).get(key) != value]
    return "\n".join([text, *differing])
