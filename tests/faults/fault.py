"""
What every fault is: something that can be broken, healed, and asked whether it was really hit.

The order is always inject(), hold(seconds), heal(), was_hit(). heal() is called even when inject() failed
half-way, and must bring everything back; faults that only strike while they last do so in hold().
"""

import time

PATIENCE_S = 8      # how much longer a fault may last when nothing has run into it yet


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

    def repeat(self, seconds, interval, strike, is_done=None):
        """Call strike again and again, for so long and until it is done, or patience ends."""
        end = time.monotonic() + seconds
        last = end + PATIENCE_S
        while time.monotonic() < end or (is_done and not is_done() and time.monotonic() < last):
            strike()
            time.sleep(interval)

    def wait(self, seconds, is_done):
        """Wait for so long and until something is done, or patience ends."""
        self.repeat(seconds, 0.05, lambda: None, is_done)
