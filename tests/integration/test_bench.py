"""
What `make bench` makes of its measurements: rows, the table, the file, the comparison, the choice of cases; what it
calls a bad plan; that the history it stores is what the program would have booked; that cases of processing give whole
rows; and that a service which does not start is a clear error that leaves nothing behind.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import pytest

from harness import ROOT, SANITIZER, eventually

sys.path.append(str(ROOT / "loadtest"))  # behind the library, whose statistics ours would hide

# pylint: disable=wrong-import-position
import bench
import bench_flow
import bench_history
import bench_plans
import bench_result
from bench_rig import BenchError, last_json


def measurement(value, **more):
    return {"value": value, "p50": 1.0, "p99": 4.0, "p999": 9.0, "cpu": {"program": 20.0, "broker": 5.0},
            "memory": {"program": 80.0}, "wal": 300.0, "switches": 2.5} | more


def row(name="ingest-64", ours=(50.0,), limit=(100.0,), better="more"):
    return bench_result.make_row(name, f"what {name} is", "/s", [measurement(v) for v in ours],
                                 [measurement(v) for v in limit], better)


def bench_py(*args, env=None, timeout=120):
    return subprocess.run([sys.executable, ROOT / "loadtest/bench.py", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=timeout, env=env)


def test_a_ratio_is_the_median_of_rounds_not_of_values():
    # a machine that halves its speed halves both: the ratio of medians would be 0.2
    found = row(ours=(50, 25, 10), limit=(100, 50, 50))
    assert found["ratios"] == [0.5, 0.5, 0.2]
    assert found["ratio"] == 0.5
    assert found["ours"]["value"] == 25 and found["limit"]["value"] == 50
    assert found["ours"]["cpu"] == {"program": 20.0, "broker": 5.0}


def test_a_row_without_a_limit_has_no_ratio():
    found = row(limit=())
    assert found["limit"] is None and found["ratio"] is None
    assert "None" not in bench_result.table([found])


def test_a_figure_that_one_round_lacks_is_the_median_of_the_others():
    found = bench_result.make_row("a", "a", "/s", [measurement(1, p99=None), measurement(3, p99=7.0)])
    assert found["ours"]["p99"] == 7.0 and found["ours"]["value"] == 2


def test_the_table_has_every_figure_in_its_column():
    noted = bench_result.make_row("b", "another", "MB", [measurement(1234.5, more={"lag at most": 17})], better="less")
    lines = bench_result.table([row(), noted]).splitlines()
    head, first, of_limit, second, note = lines[0], lines[1], lines[3], lines[2], lines[4]
    assert " ".join(head.split()) == " ".join(bench_result.HEADS)
    assert first.split("  ")[0] == "what ingest-64 is"
    figures = ["50", "/s", "100", "0.50", "1", "4", "9", "20", "5", "80", "300", "2.5"]
    assert first.removeprefix("what ingest-64 is").split() == figures
    assert "1,234 MB" in second or "1,235 MB" in second
    assert note == "another: lag at most 17"
    assert of_limit == ("what ingest-64 is, the limit: p50 1, p99 4, p999 9, CPU of program 20, CPU of broker 5, "
                        "WAL B 300")
    assert first.index("0.50") + 4 == head.index("ratio") + 5  # aligned to the right


def test_a_file_reads_back_and_the_newest_is_found(tmp_path):
    with pytest.raises(ValueError, match="no result yet"):
        bench_result.newest(tmp_path)
    (tmp_path / "20200101-000000.json").write_text("{}")
    path = bench_result.save(tmp_path, {"machine": {"cores": 2}}, [row()])
    assert bench_result.newest(tmp_path) == path
    read = bench_result.load(path)
    assert read["rows"] == json.loads(json.dumps([row()])) and read["machine"] == {"cores": 2}


def result(*rows, **head):
    return {"machine": {"cores": 2}, "versions": {"git": "a"}, "settings": {"seconds": 10}, **head, "rows": list(rows)}


def cells(text):
    """{what: the other cells}"""
    return {line.split("  ")[0]: line.split("  ", 1)[1].split() for line in text.splitlines() if "  " in line}


def test_a_comparison_goes_by_ratios_where_both_have_one():
    # twice as fast a machine, and the program a quarter better beside its limit
    base, new = result(row(ours=(50,), limit=(100,))), result(row(ours=(125,), limit=(200,)))
    assert cells(bench_result.compare(base, new))["what ingest-64 is"] == ["ratio", "0.5", "0.625", "1.25", "20", "20"]


def test_less_is_better_where_the_row_says_so():
    slow, fast = row("freshness", (200,), (), "less"), row("freshness", (100,), (), "less")
    assert cells(bench_result.compare(result(slow), result(fast)))["what freshness is"][:4] == \
        ["value", "200", "100", "2.00"]
    beside = [row("clients", (v,), (2,), "less") for v in (8, 4)]
    assert cells(bench_result.compare(result(beside[0]), result(beside[1])))["what clients is"][:4] == \
        ["ratio", "4", "2", "2.00"]


def test_a_comparison_names_what_only_one_has_and_what_differs_around():
    text = bench_result.compare(result(row("old")), result(row("new"), versions={"git": "b"}))
    assert cells(text)["what new is"] == ["only", "here"] and cells(text)["what old is"] == ["only", "here"]
    assert "versions: git was a and is b" in text
    assert "cores" not in text


def test_the_slope_of_a_line_is_its_slope_an_hour():
    assert bench_flow.slope([(t, 5 + 2 * t) for t in range(10)]) == pytest.approx(7200)
    assert bench_flow.slope([(t, 5) for t in range(10)]) == 0
    assert bench_flow.slope([]) == 0


def test_slopes_leave_out_the_first_part_of_a_run():
    def sample(at):
        # lag jumps and memory grows fast at first, then lag grows by 1 a second and memory by 1 MB an hour
        settled = at > 20
        return at, at if settled else 10_000, {"program": 50 + at / 3600 if settled else at}
    found = bench_flow.slopes([sample(at) for at in range(100)], 100)
    assert found["lag events an hour"] == pytest.approx(3600)
    assert found["program KB an hour"] == pytest.approx(1024)
    assert found["lag at most"] == 10_000 and found["lag at the end"] == 99


def test_a_run_too_short_for_slopes_says_so():
    assert bench_flow.slopes([], 1)["lag at most"] is None


def scan(table, loops=1, kind="Index Scan", rows=1):
    return {"Node Type": kind, "Relation Name": table, "Actual Loops": loops, "Actual Rows": rows}


def append(*children, loops=7):
    return {"Node Type": "Append", "Actual Loops": loops, "Actual Rows": 3, "Plans": list(children)}


def logged(plan, who="tyrattribution writer-1", statement="-- What it is.\n-- $1 this\nSELECT 1"):
    """A plan as PostgreSQL logs it for bench_plans."""
    text = json.dumps({"Query Text": statement, "Plan": plan}, indent=2).replace("\n", "\n\t")
    return f"2026-01-01 00:00:00.000 UTC [17] <{who}> LOG:  duration: 0.123 ms  plan:\n\t{text}\n"


MONTHS = [scan(f"click_events_2026_{month:02d}") for month in range(1, 8)]
UNREAD = [scan(f"click_events_2026_{month:02d}", loops=0) for month in range(1, 8)]


@pytest.mark.parametrize("plan, problem", [
    (scan("click_buckets"), None),
    (scan("click_buckets", kind="Seq Scan"), "reads all of click_buckets: What it is."),
    (append(scan("click_events_2026_08"), scan("x", kind="Seq Scan")), "reads all of x"),
    (scan("staged_targets", kind="Seq Scan"), None),
    (scan("click_events_2026_01", kind="Seq Scan", loops=0), None),
    (append(*MONTHS), "reads 7 partitions"),
    (append(*UNREAD, *MONTHS[:2]), None),
    (append(*MONTHS, loops=1) | {"Actual Rows": 0}, None),  # is there any at all, once
])
def test_a_bad_plan_is_named(plan, problem):
    whole = {"Node Type": "Result", "Actual Loops": 1, "Plans": [plan]}
    found = bench_plans.judge("noise\n" + logged(whole) + "noise\n")
    assert found["plans"] == 1
    assert len(found["problems"]) == (problem is not None)
    assert problem is None or problem in found["problems"][0]


def test_only_plans_of_writers_are_judged():
    bad = scan("click_buckets", kind="Seq Scan")
    found = bench_plans.judge(logged(bad, who="tyrattribution journal") + logged(bad, who="psql"))
    assert found["plans"] == 0 and found["problems"] == ["    none was logged"]


@pytest.mark.parametrize("stored", [1, 100, 12345, 50_000_000])
def test_a_history_has_all_its_clicks_each_in_its_month(stored):
    now = datetime.datetime(2026, 3, 1, 1, tzinfo=bench_history.UTC)
    figures, months = bench_history.plan(stored, 60, 20, now)
    assert [first for _, first, _ in months] == [1] + [last + 1 for _, _, last in months[:-1]]
    assert months[-1][2] == figures["older"] + figures["recent"]
    conversions = figures["older"] // bench_history.CONVERTS_EVERY
    assert abs(months[-1][2] + conversions - stored) <= 2
    for day, first, last in months:
        for i in (first, last):
            ms = (figures["starts"] + i * (figures["mid"] - figures["starts"]) // figures["older"]
                  if i <= figures["older"] else
                  figures["mid"] + (i - figures["older"]) * (figures["ends"] - figures["mid"]) // figures["recent"])
            assert datetime.datetime.fromtimestamp(ms / 1000, bench_history.UTC).date().replace(day=1) == day


class Filled:
    """A test's world as bench_history wants one."""

    def __init__(self, world):
        self._world = world

    def sql(self, statement):
        self._world.sql(statement)

    def file(self, path, variables):
        env = self._world.env
        given = [word for name, value in variables.items() for word in ("-v", f"{name}={value}")]
        where = ["-h", env["DB_HOST"], "-p", env["DB_PORT"], "-U", env["DB_USER"], env["DB_NAME"]]
        done = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *given, *where, "-f", path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100, check=False,
                              env=os.environ | {"PGPASSWORD": env["DB_PASSWORD"]})
        assert done.returncode == 0, done.stdout


def test_a_stored_history_is_what_the_program_would_have_booked(world):
    world.migrate()
    bench_history.fill(Filled(world), 20_000, 3, 4, 60, 20)
    assert world.sql("SELECT (SELECT count(*) FROM click_events) + (SELECT count(*) FROM conversion_events)"
                     ) == [(20_000,)]
    server = world.serve(HTTP_WORKERS=16)
    eventually(lambda: "days closed" in server.log(), 60, "the journals are written")
    server.stop()
    done = world.run("reconcile")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(SANITIZER != "", reason="the limits are of the plain build")
def test_cases_of_processing_give_whole_rows():
    made = subprocess.run(["make", "--no-print-directory", "limits"], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=300)
    assert made.returncode == 0, made.stdout
    done = bench_py("run", "--only", "backlog,backlog-stored,plans,soak", "--rounds", 1, "--events", 5000, "--stored",
                    20_000, "--minutes", 0.1, "--rate", 500, "--warm", 0, timeout=400)
    assert done.returncode == 0, done.stderr
    path = pathlib.Path(done.stdout.splitlines()[-1].removeprefix("written to "))
    rows = {one["name"]: one for one in bench_result.load(path)["rows"]}
    path.unlink()  # it is no result to compare with
    assert list(rows) == ["backlog", "backlog-copy", "backlog-stored", "plans", "soak"]
    for name in ("backlog", "backlog-copy", "backlog-stored", "soak"):
        ours = rows[name]["ours"]
        assert ours["value"] > 0 and ours["wal"] > 0 and ours["switches"] > 0
        assert set(ours["cpu"]) >= {"program", "broker", "PostgreSQL", "Redis"} and ours["memory"]["program"] > 1
    assert all(rows[name]["ratio"] > 0 for name in ("backlog", "backlog-copy", "backlog-stored"))
    assert rows["plans"]["ours"]["value"] >= 5
    assert {"lag at most", "lag events an hour", "program KB an hour", "PostgreSQL KB an hour"} <= set(
        rows["soak"]["ours"]["more"])


def test_cases_are_chosen_by_name_or_beginning():
    names = [case.name for case in bench.CASES]
    assert len(set(names)) == len(names)
    assert [c.name for c in bench.chosen("")] == names
    assert [c.name for c in bench.chosen("batch-10,freshness")] == \
        ["batch-10", "freshness-100", "freshness-5000", "freshness-20000"]
    with pytest.raises(BenchError, match="no case is named or begins 'nothing'; there are ingest-1,"):
        bench.chosen("ingest-1,nothing")


def test_a_program_that_prints_no_result_is_an_error():
    assert last_json("noise\n{\"a\":1}\nmore noise\n", "it") == {"a": 1}
    with pytest.raises(BenchError, match="it printed no result"):
        last_json("noise\n", "it")


@pytest.mark.parametrize("args, says", [
    (("run", "--seconds", "0"), "invalid number over zero value"),
    (("run", "--rounds", "many"), "invalid number over zero value"),
    (("run", "--only", "nothing"), "no case is named"),
    (("compare",), "BASE=file"),
    (("compare", "--base", "/nowhere.json", "--new", "/nowhere.json"), "/nowhere.json cannot be read"),
    (("compare", "--base", "/dev/null", "--new", "/dev/null"), "is not JSON"),
])
def test_bad_arguments_are_clear_errors(args, says):
    done = bench_py(*args)
    assert done.returncode != 0 and says in done.stderr and "Traceback" not in done.stderr


def test_services_that_do_not_start_leave_nothing_behind(tmp_path):
    env = os.environ | {"TYR_PG_BIN": "/nowhere", "TMPDIR": str(tmp_path)}
    done = bench_py("run", "--only", "idle-256", env=env)
    assert done.returncode == 1 and "the services do not start" in done.stderr and "PostgreSQL" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
    assert str(tmp_path) not in "".join(command_lines())


def command_lines():
    """Of all processes."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "cmdline").read_text(errors="replace")
            except OSError:
                continue
