"""Some minutes of the fault rig, as a test: whatever cells the seed draws, nothing is lost, doubled or wrong.

TYR_FAULT_SECONDS (default 240) is how long, TYR_SEED=n repeats a run.
"""

import os
import pathlib
import random
import subprocess
import sys


def test_a_few_minutes_of_faults():
    seed = os.environ.get("TYR_SEED") or str(random.SystemRandom().randrange(1 << 31))
    seconds = os.environ.get("TYR_FAULT_SECONDS") or "240"
    print(f"seed {seed} (repeat with TYR_SEED={seed})")
    rig = pathlib.Path(__file__).with_name("rig.py")
    done = subprocess.run([sys.executable, str(rig), "--seed", seed, "--number", "1000", "--seconds-max", seconds],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, f"see the table above; repeat with make faults SEED={seed}"
