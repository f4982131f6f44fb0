"""The actors behind Kafka under the thread sanitizer, on a real PostgreSQL and Redis."""

import os
import subprocess

from harness import SLOW

PROGRAM = os.environ.get("TYR_PIPELINE", "build/tests/stress/pipeline_stress")
EVENTS = 40 * 50 * 4  # ROUNDS * RECORDS * PARTITIONS of tests/stress/pipeline_stress.c


def test_actors_book_each_event_once(world):
    """Writers, counter, live, history, journal, query and registrar race for a while; nothing is lost or doubled."""
    world.migrate()
    world.sql("INSERT INTO attribution_windows (valid_from, lookback) VALUES ('-infinity', '1 day')")
    world.sql("INSERT INTO attribution_models VALUES ('-infinity', 400000, 400000, '7 days', 200, false, '{direct}')")
    env = {**os.environ, **world.env, "TSAN_OPTIONS": "suppressions=tests/tsan.supp"}
    done = subprocess.run([PROGRAM], env=env, capture_output=True, text=True, timeout=300 * SLOW)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-8000:]
    assert "WARNING: ThreadSanitizer" not in output, output[-8000:]
    assert world.sql("SELECT count(*) FROM click_events")[0][0] == EVENTS * 4 // 5
    assert world.sql("SELECT count(*) FROM conversion_events")[0][0] == EVENTS // 5
    clicks, conversions, unattributed = world.sql(
        "SELECT sum(clicks), sum(conversions), sum(unattributed) FROM day_shares")[0]
    assert clicks == EVENTS * 4 // 5
    assert conversions + unattributed == EVENTS // 5
    assert conversions > 0
    assert world.sql("SELECT sum(clicks) FROM click_buckets")[0][0] == clicks
    identity = world.sql(
        "SELECT bool_and(high_offset[t] - first_offset[t] = stored[t] + duplicate[t] + dead_lettered[t] + gaps[t])"
        " FROM partition_fences, generate_series(1, 2) AS t")
    assert identity[0][0]
