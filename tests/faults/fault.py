"""
What every fault is: something that can be broken, healed, and asked whether it was really hit.

The order is always inject(), hold(seconds), heal(), was_hit(). heal() is called even when inject() failed
half-way, and must bring everything back; faults that only strike while they last do so in hold().
"""

import time


class Fault:
    """A fault on a stage; subclasses say which."""

    def __init__(self, stage, rng):
        self.stage = stage
        self.rng = rng

    def inject(self):
        """Break it."""

    def hold(self, seconds):
        """Keep it broken for so long."""
        time.sleep(seconds)

    def heal(self):
        """Bring it back."""

    def was_hit(self):
        """Did it really happen?"""
        raise NotImplementedError

    def repeat(self, seconds, interval, strike):
        """Call strike again and again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            strike()
            time.sleep(min(interval, max(0, end - time.monotonic())))
