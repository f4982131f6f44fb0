"""
The plans of the writers' statements, as auto_explain logs them: what reads a table that grows from end to end, or looks
into more partitions than a window has months for each of its rows.
"""

import contextlib
import json
import re
import time

WRITER = "tyrattribution writer"
SETTINGS = {"session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "0",
            "auto_explain.log_analyze": "on", "auto_explain.log_timing": "off", "auto_explain.log_format": "json",
            "auto_explain.log_nested_statements": "on"}
PREFIX = "%m [%p] "  # of deploy/services.sh
SMALL = re.compile(r"^(staged_|partition_fences$|deployment$|journal_state$|attribution_|recompute)")
PARTITIONS_MAX = 3   # a day's backlog and its window may touch so many months
ENTRY = re.compile(r"^\S+ \S+ \S+ \[\d+\] <([^>]*)> LOG:  duration: .* plan:$")


@contextlib.contextmanager
def explaining(rig, world):
    """Log the plans of all statements in a world's database; gives a function that answers what was logged."""
    path = rig.dir / "services/postgres.log"

    def reload(prefix):
        rig.psql(f"ALTER SYSTEM SET log_line_prefix = '{prefix}'", "postgres", "postgres")
        rig.psql("SELECT pg_reload_conf()", "postgres", "postgres")

    for name, value in SETTINGS.items():
        rig.psql(f"ALTER DATABASE {world.name} SET {name} = '{value}'", "postgres", "postgres")
    reload(PREFIX + "<%a> ")
    time.sleep(0.5)  # until the postmaster has read it
    begins = path.stat().st_size
    try:
        yield lambda: path.read_bytes()[begins:].decode(errors="replace")
    finally:
        reload(PREFIX)


def entries(text):
    """[(statement, plan)] of the writers in a log."""
    found, lines = [], iter(text.splitlines())
    for line in lines:
        head = ENTRY.match(line)
        body = []
        if head:
            for more in lines:
                if not more.startswith("\t"):
                    break
                body.append(more[1:])
                if more == "\t}":
                    break
        if head and head[1].startswith(WRITER):
            plan = json.loads("\n".join(body), strict=False)
            found.append((plan["Query Text"], plan["Plan"]))
    return found


def nodes(plan):
    """A node and all below it that were executed."""
    if plan.get("Actual Loops", 1) == 0:
        return
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def partitions(append):
    """How many partitions of an event table an Append has read."""
    return sum("_events_" in child.get("Relation Name", "") and child["Actual Loops"] > 0 for child in append["Plans"])


def title(statement):
    """What a statement of schema/queries says of itself, or its beginning."""
    return " ".join(statement.split()).removeprefix("-- ")[:80]


def judge(text):
    """How many statements and plans of the writers a log has, what is bad in them, and the most partitions read."""
    found = entries(text)
    problems, most = set(), 0
    for statement, plan in found:
        for node in nodes(plan):
            if node["Node Type"] == "Seq Scan" and not SMALL.match(node["Relation Name"]):
                problems.add(f"    reads all of {node['Relation Name']}: {title(statement)}")
            if node["Node Type"] in ("Append", "Merge Append"):
                parts = partitions(node)
                if node["Actual Loops"] == 1 and node["Actual Rows"] <= 1:
                    continue  # once a batch, is there any at all
                most = max(most, parts)
                if parts > PARTITIONS_MAX:
                    problems.add(f"    reads {parts} partitions: {title(statement)}")
    if not found:
        problems.add("    none was logged")
    return {"statements": len({statement for statement, _ in found}), "plans": len(found), "most": most,
            "problems": sorted(problems)}
