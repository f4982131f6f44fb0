"""Prints, as JSON, what the PyPI package mta makes of its own paths: {model: {channel: conversions}}.

Runs in an environment of its own, where mta and what it needs are installed (demo.sh --models).
"""

import contextlib
import json
import os

from mta import MTA

if __name__ == "__main__":
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        paths = MTA(allow_loops=True)
        paths.first_touch(normalize=False)
        paths.last_touch(normalize=False)
        paths.linear(share="proportional", normalize=False)
    names = {"first_touch": "first_click", "last_touch": "last_click", "linear": "linear"}
    print(json.dumps({ours: {channel: float(n) for channel, n in paths.attribution[theirs].items()}
                      for theirs, ours in names.items()}, indent=1))
