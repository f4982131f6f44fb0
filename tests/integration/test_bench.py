"""
What `make bench` makes of its measurements, without measuring: rows, the table, the file, the comparison, the choice
of cases, and that a service which does not start is a clear error that leaves nothing behind.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from harness import ROOT

sys.path.append(str(ROOT / "loadtest"))  # behind the library, whose statistics ours would hide

# pylint: disable=wrong-import-position
import bench
import bench_flow
import bench_result
from bench_rig import BenchError, last_json


def measurement(value, **more):
    return {"value": value, "p50": 1.0, "p99": 4.0, "p999": 9.0, "cpu": {"program": 20.0, "broker": 5.0},
            "memory": {"program": 80.0}} | more


def row(name="ingest-64", ours=(50.0,), limit=(100.0,), better="more"):
    return bench_result.make_row(name, f"what {name} is", "/s", [measurement(v) for v in ours],
                                 [measurement(v) for v in limit], better)


def bench_py(*args, env=None):
    return subprocess.run([sys.executable, ROOT / "loadtest/bench.py", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=120, env=env)


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
    head, first, second, note, of_limit = lines
    assert head.split() == list(bench_result.HEADS)
    assert first.split("  ")[0] == "what ingest-64 is"
    figures = ["50", "/s", "100", "0.50", "1", "4", "9", "20", "5", "80"]
    assert first.removeprefix("what ingest-64 is").split() == figures
    assert "1,234 MB" in second or "1,235 MB" in second
    assert note == "another: lag at most 17"
    assert of_limit == "what ingest-64 is, the limit: p50 1, p99 4, p999 9"
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
