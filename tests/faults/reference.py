"""
What attribution must be, in the slow and obvious way.

Shares no code and no query with the program: a list of events goes in, the click of every conversion comes out.
"""

import collections

WINDOW_MS = 24 * 3_600_000


def last_clicks(events):
    """{(conversion id, ms): (click id, ms) or None} for all conversions among the events."""
    clicks = collections.defaultdict(list)
    for event in events:
        if event.kind == "click":
            clicks[event.user, event.campaign, event.source].append((event.ms, event.id))
    earned = {}
    for event in events:
        if event.kind == "conversion":
            touches = [(ms, click) for ms, click in clicks[event.user, event.campaign, event.source]
                       if event.ms - WINDOW_MS <= ms <= event.ms]
            latest = max(touches, default=None)
            earned[event.id, event.ms] = (latest[1], latest[0]) if latest else None
    return earned
