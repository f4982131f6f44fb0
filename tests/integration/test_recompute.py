"""`tyrattribution recompute`: history gets other settings, at once for everybody, while events go on being booked."""

import collections
import decimal
import json
import signal
import subprocess
import threading
import time

import pytest

import attribution
import model
import test_models
from harness import BINARY, clean_env, click_body, conversion_body, eventually, new_id
from test_models import DAY, HOUR, PARTITIONS

LOGS = 300


class History:
    """Random histories of some users, in the tables of a world, and the settings that they were booked by."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.last_ms = model.now_ms() - HOUR
        self.first_ms = self.last_ms - 10 * DAY
        self.campaigns = [model.new_uuid(rng) for _ in range(test_models.CAMPAIGNS)]
        self.logs = []
        world.migrate(KAFKA_PARTITIONS=PARTITIONS)
        assert world.serve().stop() == 0                # seeds the settings, which are then replaced
        self.rules = test_models.settings(world, rng, self.campaigns, self.first_ms)
        self.server = world.serve(BATCH_MAX_EVENTS=700, BATCH_LINGER_MS=5, WRITERS=2)

    def add(self, n):
        """So many users more, in the topics."""
        logs = [test_models.one_log(self.rng, self.campaigns, self.rules, self.first_ms, self.last_ms) for _ in range(n)]
        test_models.send(self.world, self.rng, [event for kinds in logs for kind in kinds for event in kind])
        self.logs += logs

    def book(self, n):
        self.add(n)
        self.world.wait_processed(120)

    def check(self):
        """Everything stored is what the rules make of all events; returns what the buckets then are."""
        stored = test_models.stored_credits(self.world.db())
        expected, worth = {}, {}
        for clicks, conversions, adjustments in self.logs:
            for v in conversions:
                worth[v] = attribution.worth(v, adjustments)
                expected[v] = attribution.credits_of(v, clicks, self.rules, v.named)
                wanted = {name: {(c.id, c.ms): n for c, n in credits.items()} for name, credits in expected[v].items()}
                assert stored[v.id, v.ms] == wanted, (v, clicks)
        return attribution.buckets(expected, worth)

    def check_tables(self):
        """At rest, with nothing under way."""
        assert test_models.stored_buckets(self.world.db()) == self.check()
        eventually(lambda: not self.world.sql(
            "SELECT 1 FROM journal_changes c LEFT JOIN journal_progress p USING (shard)"
            " WHERE c.version > coalesce(p.version, -1)"), 20, "the journals have followed")
        done = self.world.run("reconcile")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.world.sql("SELECT (SELECT count(*) FROM recompute_paths), (SELECT count(*) FROM recompute_buckets),"
                              " (SELECT count(*) FROM recompute_work), (SELECT state FROM recompute)") == [(0, 0, 0, "none")]

    def days(self):
        """{(day, campaign, model): numbers} as statistics answer them."""
        answers = collections.defaultdict(lambda: (0,) * 4)
        for name in attribution.MODELS:
            for campaign in (*self.campaigns, "none"):
                for row in self.server.statistics(campaign, model=name, **{"from": str(model.day_of(self.first_ms))})["data"]:
                    numbers = (millionths(row["total_conversions"]), cents(row["total_value"]),
                               row["unattributed_conversions"], cents(row["unattributed_value"]))
                    where = attribution.NIL if campaign == "none" else campaign
                    if any(numbers):
                        answers[row["period"], where, name] = numbers
        return answers


def cents(text):
    return model.minor_of(text)


def millionths(number):
    return int(decimal.Decimal(str(number)) * 1_000_000)


def recompute(world, *args, code=0):
    done = world.run("recompute", *args)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def changes_in(text):
    """{(day, campaign, model): numbers} as --format=ndjson prints them."""
    rows = map(json.loads, text.splitlines())
    return {(row["day"], row["campaign_id"], row["model"]): (
        millionths(row["conversions"]), cents(row["value"]), row["unattributed_conversions"],
        cents(row["unattributed_value"])) for row in rows}


def difference(before, after):
    keys = before.keys() | after.keys()
    found = {key: tuple(b - a for a, b in zip(before[key], after[key])) for key in keys}
    return {key: numbers for key, numbers in found.items() if any(numbers)}


class Wish:
    """Settings from a time on: as arguments, and in the reference's rules."""

    def __init__(self, history, kind):
        rng = history.rng
        # Behind the window that test_models.settings() dates two days on: else all windows hold for a moment only.
        self.from_ms = history.first_ms + rng.randrange(2 * DAY, 3 * DAY)
        self.args = ["--from", model.rfc3339(self.from_ms)]
        self.rules = attribution.Rules(list(history.rules.windows), list(history.rules.models))
        getattr(self, kind)(rng, history.campaigns)

    def one_window(self, rng, campaigns):
        minutes = rng.choice((1, 30 * 24 * 60))
        self.args += ["--window", f"{minutes}m", "--campaign", campaigns[2]]
        self.rules.windows.append(attribution.Window(campaigns[2], None, self.from_ms, minutes * 60_000))

    def all_windows(self, rng, _campaigns):
        hours = rng.choice((1, 1000))
        self.args += ["--window", f"{hours}h"]
        self.rules.windows.append(attribution.Window(None, None, self.from_ms, hours * HOUR))

    def a_type(self, _rng, campaigns):
        self.args += ["--window", "2h", "--campaign", campaigns[0], "--type", "signup"]
        self.rules.windows.append(attribution.Window(campaigns[0], "signup", self.from_ms, 2 * HOUR))

    def models(self, _rng, _campaigns):
        self.args += ["--first-percent=10", "--last-percent=20", "--half-life=90m", "--path-max=2", "--direct-sources=ad"]
        old = self.rules.of(self.from_ms)
        self.rules.models.append(attribution.ModelRules(self.from_ms, 100_000, 200_000, 90 * 60_000, 2, old.is_narrowed,
                                                        ("ad",)))


@pytest.mark.parametrize("kind", ("one_window", "all_windows", "a_type", "models"))
def test_dry_run_and_switch_agree(world, kind):
    history = History(world, model.seeded_random())
    history.book(LOGS)
    history.check()
    before, tables = history.days(), model.dump(world.db())
    wish = Wish(history, kind)
    said = changes_in(recompute(world, *wish.args, "--dry-run", "--format=ndjson").stdout)
    model.assert_same_dumps(tables, model.dump(world.db()), "a dry run")
    assert said, "the settings change nothing"
    assert changes_in(recompute(world, *wish.args, "--format=ndjson").stdout) == said
    history.rules = wish.rules
    eventually(lambda: difference(before, history.days()) == said, 10, "statistics have switched")
    history.check_tables()
    assert recompute(world, *wish.args, "--dry-run").stdout == "0 conversions would get other credits\n"
    history.book(LOGS // 4)                             # late clicks, too, follow the new settings
    history.check_tables()
    done = world.run("replay", "--into", "again", "--drop")
    assert done.returncode == 0, done.stdout


def start(world, *args):
    """The tool as a process that a test can kill."""
    with open(world.dir / "recompute.log", "w", encoding="utf-8") as log:
        return subprocess.Popen([BINARY, "recompute", *args], env=clean_env(world.env), cwd=world.dir,  # pylint: disable=consider-using-with
                                stdout=log, stderr=log)


HELD = 4711
WAIT = f"""
    CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.shard >= 2 THEN PERFORM pg_advisory_xact_lock_shared({HELD}); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER wait_here BEFORE INSERT ON recompute_paths FOR EACH ROW EXECUTE FUNCTION wait_here();
"""


def killed_half_way(world, *args):
    """Start the tool and kill it when it has prepared two of the four shards."""
    world.sql(WAIT)
    held = world.db()
    held.execute("SELECT pg_advisory_lock(%s)", (HELD,))
    tool = start(world, *args)
    eventually(lambda: waits_for_lock(world), 30)
    kill(tool)
    held.execute("SELECT pg_advisory_unlock(%s)", (HELD,))
    world.sql("DROP FUNCTION wait_here CASCADE")
    assert world.sql("SELECT count(*) > 0, bool_and(shard < 2) FROM recompute_paths") == [(True, True)]


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def waits_for_lock(world):
    return world.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%%recompute%%'"
                     " AND wait_event_type = 'Lock' AND datname = current_database()")


def test_killed_while_it_builds(world):
    """Numbers stay as they are, events go on being booked, and the next run finishes what this one began."""
    history = History(world, model.seeded_random())
    history.book(LOGS)
    before = history.days()
    wish = Wish(history, "all_windows")
    killed_half_way(world, *wish.args)
    assert "building" in recompute(world, "--status").stdout
    assert history.days() == before
    history.check()
    history.book(LOGS // 2)                             # some of it belongs to what was looked at already
    history.check()
    assert recompute(world, *wish.args, code=1).stderr.count("--resume") == 1
    assert world.run("reconcile").returncode == 0
    assert world.run("reconcile", "--repair").returncode == 1
    recompute(world, "--resume")
    history.rules = wish.rules
    history.check_tables()
    assert "no recompute" in recompute(world, "--status").stdout


def test_given_up(world):
    history = History(world, model.seeded_random())
    history.book(LOGS)
    wish = Wish(history, "all_windows")
    killed_half_way(world, *wish.args)
    recompute(world, "--abort")
    history.book(LOGS // 4)
    history.check_tables()


HOLD_PATHS = "BEGIN; SELECT FROM conversion_events WHERE shard >= 2 FOR UPDATE"
HOLD_BUCKETS = """BEGIN; SELECT FROM conversion_buckets
    WHERE shard = 2 AND campaign_id = (SELECT max(campaign_id::text)::uuid FROM campaigns) FOR UPDATE"""
# Rows that add nothing, more than are folded in at once, before all others.
MANY_BUCKETS = """INSERT INTO recompute_buckets
    SELECT 2, '00000000-0000-0000-0000-000000000000', '', '', '', timestamptz '2000-01-01' + n * interval '15 minutes', 0, 0, 0, 0
    FROM generate_series(1, 5000) n"""


@pytest.mark.parametrize("what", ("paths", "buckets"))
def test_killed_while_it_folds(world, what):
    """The new numbers count although only a part was folded in; late events are right beside both parts."""
    history = History(world, model.seeded_random())
    history.book(LOGS)
    before = history.days()
    wish = Wish(history, "all_windows")
    said = changes_in(recompute(world, *wish.args, "--dry-run", "--format=ndjson").stdout)
    paths, buckets = world.db(), world.db()
    paths.execute(HOLD_PATHS)
    tool = start(world, *wish.args)
    eventually(lambda: "switched" in recompute(world, "--status").stdout, 30)
    eventually(lambda: waits_for_lock(world), 30)
    if what == "buckets":
        world.sql(MANY_BUCKETS)
        buckets.execute(HOLD_BUCKETS)
        paths.rollback()
        eventually(lambda: waits_for_lock(world) and left(world, "buckets") < 5000, 30, "in the middle of the buckets")
    kill(tool)
    paths.rollback()
    buckets.rollback()
    history.rules = wish.rules
    assert left(world, what) > 0
    eventually(lambda: difference(before, history.days()) == said, 10, "statistics have switched")
    history.check()
    history.book(LOGS // 2)
    history.check()
    assert world.run("reconcile").returncode == 1
    assert world.run("replay", "--into", "again", "--drop").returncode == 1
    assert "only --resume" in recompute(world, "--abort", code=1).stderr
    recompute(world, "--resume")
    history.check_tables()


def left(world, what):
    """Rows still to be folded in."""
    return world.sql(f"SELECT count(*) FROM recompute_{what} WHERE shard = 2")[0][0]


LAST_CHANGED = """
    SELECT FROM campaign_journals WHERE (campaign_id, day) = (
        SELECT campaign_id, day FROM campaign_journals JOIN unnest(%s::uuid[], %s::date[]) AS c (campaign_id, day)
        USING (campaign_id, day) ORDER BY campaign_id DESC, day DESC LIMIT 1)
    FOR UPDATE
"""


def test_journals_in_parts(world):
    """
    A switch changes more days than the journals follow in a transaction: answers are new at once, in a process that
    has the old days in its cache as in one that begins in the middle; one that is killed there leaves nothing out.
    """
    history = History(world, model.seeded_random())
    history.book(LOGS)
    history.check_tables()
    history.server.stop()
    history.server = world.serve()                      # begins with few days in a transaction
    before = history.days()
    wish = Wish(history, "all_windows")
    said = changes_in(recompute(world, *wish.args, "--dry-run", "--format=ndjson").stdout)
    began = world.sql("SELECT now()")[0][0]
    held = world.db()
    with held.transaction():
        days, campaigns, _ = zip(*said)
        held.execute(LAST_CHANGED, (list(campaigns), list(days)))
        recompute(world, *wish.args)
        eventually(lambda: difference(before, history.days()) == said, 10, "statistics have switched")
        eventually(lambda: written_since(world, began) > 0 and journals_wait(world), 30)
        other = world.serve()
        killed, history.server = history.server, other
        assert difference(before, history.days()) == said, "in the middle, from a cold cache"
        killed.kill()
    history.rules = wish.rules
    history.check_tables()
    assert difference(before, history.days()) == said


def written_since(world, began):
    return world.sql("SELECT count(*) FROM campaign_journals WHERE updated_at > %s", began)[0][0]


def journals_wait(world):
    """Does writing journals wait for a lock, with changes listed that are not noted as followed?"""
    return world.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%%journal%%'"
                     " AND wait_event_type = 'Lock' AND datname = current_database()"
                     " AND EXISTS (SELECT FROM journal_changes c JOIN journal_progress p USING (shard)"
                     "  WHERE c.version > p.version)")


def test_under_load(world):
    """Events that come while it runs are all stored, and attributed by one settings or the other, never both."""
    history = History(world, model.seeded_random())
    history.book(LOGS)
    stop, errors = threading.Event(), []

    def load():
        try:
            while not stop.is_set():
                history.add(20)
                time.sleep(0.05)
        except Exception as error:  # pylint: disable=broad-except
            errors.append(error)

    sender = threading.Thread(target=load)
    wish = Wish(history, "one_window")
    sender.start()
    try:
        recompute(world, *wish.args)
        recompute(world, *Wish(history, "models").args, "--dry-run")
    finally:
        stop.set()
        sender.join()
    assert not errors, errors
    history.rules = wish.rules
    world.wait_processed(120)
    history.check_tables()


def test_a_live_day_becomes_empty(world):
    """What the switch takes from a live day leaves the live counters too, also where nothing is left of the day."""
    world.migrate()
    server = world.serve(CLICK_EVENT_TIME_WINDOW_HOURS=24)
    now, user, campaign = model.now_ms(), new_id(), new_id()
    world.produce_event("click", click_body(
        click_id=new_id(), user_id=user, campaign_id=campaign, click_date=model.rfc3339(now - 30 * HOUR)))
    world.produce_event("conversion", conversion_body(
        conversion_id=new_id(), user_id=user, campaign_id=None, source=None, conversion_date=model.rfc3339(now)))
    world.wait_processed()

    def live():
        rows = [server.statistics(c, **{"from": str(model.day_of(now)), "to": str(model.day_of(now))})["data"]
                for c in (campaign, "none")]
        return [[r["total_conversions"] for r in rows[0]], [r["unattributed_conversions"] for r in rows[1]]]

    eventually(lambda: live() == [[], [1]], 20)
    recompute(world, "--from", model.rfc3339(now - HOUR), "--window", "48h")
    eventually(lambda: live()[0] == [1], 20)
    assert live()[1] in ([], [0])
    done = world.run("reconcile")
    assert done.returncode == 0, done.stdout + done.stderr


def test_bad_arguments(world):
    world.migrate()
    for args in ((), ("--from", "2026-01-01"), ("--from", "yesterday", "--window", "1h"),
                 ("--from", "2026-01-01", "--window", "30"), ("--from", "2026-01-01", "--window", "366d"),
                 ("--from", "2026-01-01", "--window", "1h", "--path-max", "3"),
                 ("--from", "2026-01-01", "--first-percent", "60", "--last-percent", "50"),
                 ("--from", "2026-01-01", "--type", "x", "--path-max", "3"), ("--window", "1h"),
                 ("--from", "2026-01-01", "--window", "1h", "--campaign", "x"), ("--resume", "--from", "2026-01-01"),
                 ("--from", "2026-01-01", "--narrow", "maybe"), ("more",)):
        assert recompute(world, *args, code=2).stderr
    recompute(world, "--abort")
    assert "no recompute" in recompute(world, "--status").stdout
