"""
What happens in each schedule, drawn from a seed: the same seed gives the same schedules, whichever are run.

Cells are drawn from a shuffled bag that is filled again when it is empty, so that all of them come equally
often. Every schedule has random numbers of its own, from the seed and its number.
"""

import dataclasses
import random

from cells import Cell

SECONDS = 16            # cells are added to a schedule until they take about so long
CELLS_MAX = 4


@dataclasses.dataclass
class Step:
    """One cell at one place of a schedule."""
    cell: Cell
    pause: float            # seconds of mere load before it
    seconds: float          # how long the fault lasts
    waits: bool             # for recovery, before the next step

    def __str__(self):
        text = f"after {self.pause:.1f} s {self.cell.name} for {self.seconds:.1f} s"
        return text if self.waits else text + ", not waiting for recovery"


@dataclasses.dataclass
class Plan:
    """One schedule."""
    number: int
    seed: str
    instances: int
    steps: list

    @property
    def options(self):
        """The program's options that its cells ask for."""
        return dict(option for step in self.steps for option in step.cell.options)

    @property
    def needs_shim(self):
        """Must fsync be made to fail?"""
        return any(step.cell.needs_shim for step in self.steps)

    def __str__(self):
        steps = "; ".join(str(step) for step in self.steps)
        word = "instance" if self.instances == 1 else "instances"
        return f"schedule {self.number} (seed {self.seed}, {self.instances} {word}): {steps}"


class _Bag:
    """Gives each cell once in a random order, then again."""

    def __init__(self, rng, cells):
        self._rng = rng
        self._cells = cells
        self._bag = []

    def draw(self):
        """The next cell."""
        if not self._bag:
            self._bag = list(self._cells)
            self._rng.shuffle(self._bag)
        return self._bag.pop()


def _step(rng, cell):
    low, high = cell.seconds
    return Step(cell, rng.uniform(0.4, 1.5), rng.uniform(low, high), rng.random() < 0.75)


def plans(seed, cells):
    """The schedules 1, 2, 3 and so on."""
    bag = _Bag(random.Random(f"{seed} bag"), cells)
    number = 0
    while True:
        number += 1
        own = f"{seed}/{number}"
        rng = random.Random(own)
        steps, cost = [], 0
        while not steps or (cost < SECONDS and len(steps) < min(CELLS_MAX, len(cells))):
            cell = bag.draw()
            steps.append(_step(rng, cell))
            cost += cell.cost + 1
        steps[-1].waits = True
        instances = max(rng.choice((1, 2, 2)), *(step.cell.instances for step in steps))
        yield Plan(number, own, instances, steps)
