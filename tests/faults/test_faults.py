"""Some minutes of the fault rig, as a test: whatever cells the seed draws, nothing is lost, doubled or wrong.

TYR_FAULT_SECONDS (default 240) is how long, TYR_SEED=n repeats a run.
"""

import os
import pathlib
import random
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def rig(*args):
    """Run the rig; the completed process."""
    return subprocess.run([sys.executable, str(HERE / "rig.py"), *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def test_a_few_minutes_of_faults():
    seed = os.environ.get("TYR_SEED") or str(random.SystemRandom().randrange(1 << 31))
    seconds = os.environ.get("TYR_FAULT_SECONDS") or "240"
    print(f"seed {seed} (repeat with TYR_SEED={seed})")
    done = rig("--seed", seed, "--number", "1000", "--seconds-max", seconds)
    print(done.stdout)
    assert done.returncode == 0, f"see the table above; repeat with make faults SEED={seed}"


def test_the_readme_lists_every_cell():
    listed = re.findall(r"^\| `(\S+)` \| (.*) \|$", (HERE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    cells = [tuple(re.split(r"\s+", line, maxsplit=1)) for line in rig("--list").stdout.splitlines()]
    assert [row for row in listed if not row[0].endswith((".py", ".c"))] == cells
