"""The past of the log can be read again, in place and into tables of its own.

In place the running servers go back to earlier offsets: what is stored is recognised, what is missing comes back,
and nothing but the count of what was read again moves, whoever dies meanwhile.
"""

import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest
from confluent_kafka import TopicPartition

import model
from harness import BINARY, SLOW, TOUCH_KINDS as KINDS, clean_env, click_body, conversion_body, eventually, new_id, now, rfc3339
from test_log_identity import Log, everything, fences, resolve_rivals, send

EVENTS = int(os.environ.get("TYR_EVENTS") or (3_000 if model.sanitized() else 12_000))


def replay(world, *args, **options):
    return world.run("replay", *args, **options)


def start_replay(world, *args):
    """The same in the background."""
    return subprocess.Popen([BINARY, "replay", *args], env=clean_env(world.env), cwd=world.dir, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def busy_log(world, n=EVENTS, rivals=True):
    """
    A log of good, late, repeated, conflicting and malformed messages, in Kafka. Rivals are conflicts of two
    partitions, of which either may be booked first.
    """
    world.migrate()
    log = Log(model.seeded_random(), n, world.partitions())
    log.messages = [m for m in log.messages if rivals or not m.rival]
    send(world, log)
    return log


def total(world, column, kind=None):
    return sum(f[column] for (k, _), f in fences(world).items() if kind in (None, k))


def wait_read_again(world, timeout=60):
    """Wait until no partition is behind what was booked before."""
    world.wait_processed(timeout)
    eventually(lambda: all(f["next_offset"] == f["high_offset"] for f in fences(world).values()), timeout)


def check_world(world):
    """The identity holds, and everything derived agrees with a recount."""
    for place, f in fences(world).items():
        assert f["high_offset"] - f["first_offset"] == \
            f["stored"] + f["duplicate"] + f["dead_lettered"] + f["gaps"], (place, f)
    counted = model.recount(world.db())
    assert {key: t for key, t in model.day_shares(world.db()).items() if t != model.Totals()} == counted
    eventually(lambda: model.journals_follow(world.db()), 30)


class Load:
    """Clicks and conversions over HTTP, one batch after another, while a with block runs."""

    def __init__(self, servers):
        self.servers, self.sent, self.errors = servers, 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        users, campaign = [new_id() for _ in range(50)], new_id()
        rng = random.Random(1)
        try:
            while not self._stop.is_set():
                who = {"campaign_id": campaign, "user_id": rng.choice(users)}
                batch = [{"event": "click", **click_body(**who)} for _ in range(20)]
                batch += [{"event": "conversion", **conversion_body(**who)} for _ in range(5)]
                rng.choice(self.servers).batch(batch)
                self.sent += len(batch)
                time.sleep(0.01)
        except Exception as error:
            self.errors.append(error)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        assert not self.errors and self.sent > 0, self.errors


# --- in place --------------------------------------------------------------------------------------

@pytest.mark.parametrize("servers", (1, 2))
def test_everything_again_under_load(world, servers):
    """From the beginning, with running servers and new events coming in."""
    log = busy_log(world)
    running = [world.serve() for _ in range(servers)]
    world.wait_processed(120)
    resolve_rivals(world, log)
    assert total(world, "reread") == 0
    with Load(running) as load:
        eventually(lambda: load.sent > 100)
        done = replay(world, "--from-beginning")
    assert done.returncode == 0, done.stderr
    world.wait_processed(60)
    words = re.findall(r"^(\S+): (\d+) messages of (\d+) partitions, offsets 0 to \d+, were read again; 0 events were "
                       r"missing", done.stdout, re.M)
    assert {topic for topic, _, _ in words} == {world.topics[kind] for kind in KINDS}, done.stdout + done.stderr
    messages = sum(int(n) for _, n, _ in words)
    assert messages >= len(log.messages)
    # What was in flight at the claim may be counted as read again, but nothing is read less than once more.
    assert total(world, "reread") == messages
    assert total(world, "stored") == len([m for m in log.messages if m.fate == "stored"]) + load.sent
    check_world(world)
    accepted = log.accepted + [m.event for m in log.messages if m.rival and m.fate == "stored"]
    reference = model.Model(accepted)
    counted = model.recount(world.db())
    assert {key: t for key, t in counted.items() if key in reference.days} == dict(reference.days)


def test_nothing_but_the_count_moves(world):
    """The tables are the same, row by row, after the whole log was read again."""
    busy_log(world)
    world.serve()
    world.wait_processed(120)
    eventually(lambda: model.journals_follow(world.db()), 30)
    before, counts = everything(world), fences(world)
    done = replay(world, "--from-beginning")
    assert done.returncode == 0, done.stderr
    model.assert_same_dumps(before, everything(world), "after the replay")
    for place, f in fences(world).items():
        read = counts[place]["high_offset"] - counts[place]["first_offset"]
        assert f == {**counts[place], "reread": read}, place


def test_what_is_missing_comes_back(world):
    """A shard that was taken out of every table is there again afterwards, and the summary counts it."""
    busy_log(world, rivals=False)
    world.serve()
    world.wait_processed(120)
    eventually(lambda: model.journals_follow(world.db()), 30)
    before = model.dump(world.db())
    gone = {}
    with world.db() as db, db.transaction():
        for kind in KINDS:
            gone[kind] = db.execute(f"DELETE FROM {kind}_events WHERE shard = 1").rowcount
        for table in ("click_buckets", "conversion_buckets", "day_shares"):
            db.execute(f"DELETE FROM {table} WHERE shard = 1")
    assert min(gone.values()) > 0
    done = replay(world, "--from-beginning")
    assert done.returncode == 0, done.stderr
    for kind in KINDS:
        assert re.search(rf"^{world.topics[kind]}: .* {gone[kind]} events were missing and are stored now$",
                         done.stdout, re.M), done.stdout
    eventually(lambda: model.journals_follow(world.db()), 30)
    model.assert_same_dumps(before, model.dump(world.db()), "after the replay")


def test_a_part_of_the_log(world):
    """An offset, a time, one topic, one partition: just that is read again."""
    world.serve()
    events = {kind: [] for kind in KINDS}
    for i in range(200):
        for kind, body in (("click", click_body), ("conversion", conversion_body)):
            event = body(**{f"{kind}_id": new_id()})
            events[kind].append(event)
            world.produce_event(kind, event)
    world.wait_processed()
    time.sleep(1.1)     # Kafka's times are the producer's, and --from-time below is a second exact
    middle = now()
    for _ in range(100):
        world.produce_event("click", click_body(click_id=new_id()))
    world.wait_processed()
    ends = {kind: world.end_offsets(kind) for kind in KINDS}

    def again(*args):
        before = {kind: total(world, "reread", kind) for kind in KINDS}
        done = replay(world, *args)
        assert done.returncode == 0, done.stderr
        return done, {kind: total(world, "reread", kind) - before[kind] for kind in KINDS}

    assert again("--from-beginning", "--topic", "click")[1] == {"click": 300, "conversion": 0}
    assert again("--from-beginning", "--topic", world.topics["conversion"])[1] == {"click": 0, "conversion": 200}
    assert again("--from-offset", "10")[1] == {kind: sum(max(0, end - 10) for end in ends[kind]) for kind in KINDS}
    assert again("--from-offset", "3", "--partition", "2", "--topic", "click")[1] == \
        {"click": ends["click"][2] - 3, "conversion": 0}
    assert again("--from-time", rfc3339(middle))[1] == {"click": 100, "conversion": 0}
    assert again("--from-time", "2020-01-01")[1] == {"click": 300, "conversion": 200}
    done, read = again("--from-time", "2999-01-01")
    assert read == {"click": 0, "conversion": 0} and "nothing to read again" in done.stdout
    done, read = again("--from-offset", "10", "--dry-run")
    assert read == {"click": 0, "conversion": 0}
    for kind in KINDS:
        for p, end in enumerate(ends[kind]):
            if end > 10:
                words = f"{world.topics[kind]} partition {p}: offsets 10 to {end - 1}, {end - 10} messages"
                assert words in done.stdout
    check_world(world)


def test_without_a_server(world):
    """The offsets are set back all the same; the next server begins there. Waiting says what it waits for."""
    busy_log(world, 2000)
    server = world.serve()
    world.wait_processed(60)
    eventually(lambda: model.journals_follow(world.db()), 30)
    assert server.stop() == 0
    before = everything(world)
    done = replay(world, "--from-beginning", "--no-wait")
    assert done.returncode == 0 and "are being read again" in done.stdout, done.stdout + done.stderr
    assert total(world, "reread") == 0 and total(world, "next_offset") == 0
    waiting = start_replay(world, "--from-beginning")
    said = []
    for line in waiting.stderr:
        said.append(line)
        if "wait for a server" in line:
            break
    else:
        raise AssertionError("".join(said))
    server = world.serve()
    stdout, stderr = waiting.communicate(timeout=60 * SLOW)
    assert waiting.returncode == 0, stderr
    assert "were read again; 0 events were missing" in stdout
    wait_read_again(world)
    check_world(world)
    assert server.stop() == 0
    model.assert_same_dumps(before, everything(world), "after the replay")


def test_ctrl_c_ends_only_the_waiting(world):
    """At a signal the command says so and ends with 1; the offsets stay set back."""
    busy_log(world, 2000)
    server = world.serve()
    world.wait_processed(60)
    assert server.stop() == 0
    waiting = start_replay(world, "--from-beginning")
    for line in waiting.stderr:
        if "wait for a server" in line:
            break
    waiting.send_signal(signal.SIGINT)
    _, stderr = waiting.communicate(timeout=20 * SLOW)
    assert waiting.returncode == 1 and "the servers go on" in stderr, stderr
    world.serve()
    wait_read_again(world)
    assert total(world, "reread") > 0
    check_world(world)


def test_killed_at_odd_moments(world):
    """Whenever the command dies, the servers go on and end right."""
    busy_log(world, 4000)
    running = [world.serve() for _ in range(2)]
    world.wait_processed(60)
    eventually(lambda: model.journals_follow(world.db()), 30)
    before, counts = everything(world), fences(world)
    rng = model.seeded_random()
    set_back = 0
    for i in range(8):
        epochs = world.sql("SELECT sum(epoch) FROM partition_fences")
        victim = start_replay(world, "--from-beginning")
        if i % 2 == 0:
            time.sleep(rng.uniform(0, 4) * SLOW)
        else:       # as soon as the first partition is set back
            deadline = time.monotonic() + 30 * SLOW
            while victim.poll() is None and time.monotonic() < deadline and not world.sql(
                    "SELECT FROM partition_fences WHERE owner LIKE 'replay %%'"):
                time.sleep(0.001)
        victim.kill()
        victim.communicate()
        set_back += world.sql("SELECT sum(epoch) FROM partition_fences") != epochs
        if i == 5:
            running[0].kill()
            running.pop(0)
    wait_read_again(world, 90)
    eventually(lambda: not world.sql("SELECT FROM partition_fences WHERE owner LIKE 'replay %%'"), 30)
    assert set_back > 0 and total(world, "reread") > 0
    # Everybody still reads and books.
    fresh = [click_body(click_id=new_id()) for _ in range(200)]
    for event in fresh:
        world.produce_event("click", event)
    world.wait_processed(60)
    assert total(world, "stored", "click") == sum(f["stored"] for (k, _), f in counts.items() if k == "click") + 200
    world.sql("DELETE FROM click_events WHERE click_id = ANY(%s::uuid[])", [e["click_id"] for e in fresh])
    after = everything(world)
    for table in ("click_events", "conversion_events", "conversion_buckets", "campaign_journals"):
        model.assert_same_dumps({table: before[table]}, {table: after[table]}, "after all")


def test_the_beginning_is_gone(world):
    """What Kafka has deleted cannot be read again: an error that names the offsets, or the rest on demand."""
    world.serve()
    for _ in range(400):
        world.produce_event("click", click_body(click_id=new_id()))
    world.wait_processed()
    ends = world.end_offsets("click")
    futures = world.services.admin().delete_records([TopicPartition(world.topics["click"], 1, 20)])
    for future in futures.values():
        future.result(30)
    done = replay(world, "--from-beginning")
    assert done.returncode == 1 and not done.stdout
    topic = world.topics["click"]
    assert re.search(rf"{topic} partition 1: .*before offset 20.* 20 to {ends[1]} are left", done.stderr)
    assert total(world, "reread") == 0
    assert replay(world, "--from-offset", "19").returncode == 1
    assert replay(world, "--from-time", "2020-01-01").returncode == 1
    assert replay(world, "--from-offset", "20", "--partition", "1").returncode == 0
    assert total(world, "reread") == ends[1] - 20
    done = replay(world, "--from-beginning", "--from-available")
    assert done.returncode == 0, done.stderr
    assert total(world, "reread") == ends[1] - 20 + sum(ends) - 20
    assert total(world, "gaps") == 0
    check_world(world)


def test_another_log_is_refused(world):
    """Offsets beyond the log's end belong to a log that is gone."""
    world.serve()
    world.produce_event("click", click_body(click_id=new_id()))
    world.wait_processed()
    world.sql("UPDATE partition_fences SET high_offset[1] = high_offset[1] + 5 WHERE next_offset[1] > 0")
    done = replay(world, "--from-beginning")
    assert done.returncode == 1 and "another log" in done.stderr, done.stderr


def test_bad_arguments(world):
    """Wrong arguments end with 2 and say what was expected; nothing is asked of any service."""
    wrong = (
        (), ("--from-offset",), ("--from-offset", "x"), ("--from-offset", "-1"), ("--from-offset", "9" * 30),
        ("--from-time", "yesterday"), ("--from-time", "2026-01-01T00:00:00"), ("--from-time", "2026-02-30"),
        ("--from-beginning", "--from-offset", "1"), ("--from-beginning", "--topic", "nonsense"),
        ("--from-beginning", "--partition", "-1"), ("--from-beginning", "extra"), ("--nonsense",), ("--topic", "click"),
        ("--from-beginning", "--keep"), ("--into", "x", "--from-beginning"), ("--into", "x", "--keep", "--drop"),
        ("--into",), ("--into", "x", "--no-wait"), ("--into", "public"), ("--into", "pg_temp"), ("--into", "a b"),
        ("--into", ""), ("--into", "x" * 64), ("--into", "Upper"), ("--into", "information_schema"),
    )
    for args in wrong:
        done = replay(world, *args, DB_PORT="1", KAFKA_URL="127.0.0.1:1")
        assert done.returncode == 2, (args, done.returncode, done.stderr)
        assert "replay --help" in done.stderr and not done.stdout, (args, done.stderr)
    done = replay(world, "--help")
    assert done.returncode == 0 and "--from-beginning" in done.stdout
    assert "tyrattribution replay" in world.run("--help").stdout


def test_services_down(world):
    """Without PostgreSQL or Kafka it ends with 1 and a sentence."""
    world.migrate()
    done = replay(world, "--from-beginning", DB_PORT="1", START_TIMEOUT_MS="300")
    assert done.returncode == 1 and "PostgreSQL" in done.stderr
    done = replay(world, "--from-beginning")
    assert done.returncode == 1 and "no server has read anything yet" in done.stderr
    world.serve()
    world.produce_event("click", click_body(click_id=new_id()))
    world.wait_processed()
    done = replay(world, "--from-beginning", KAFKA_URL="127.0.0.1:1")
    assert done.returncode == 1 and "Kafka cannot be asked" in done.stderr, done.stderr


# --- into a schema of its own ----------------------------------------------------------------------

TABLES = ("click_events", "conversion_events", "adjustment_events", "click_buckets", "conversion_buckets", "day_shares",
          "campaign_journals", "campaign_quarters", "campaign_statistics", "dead_letters", "partition_fences")


def verdicts(done):
    """{table: "equal" or "differ ..."} of the output."""
    found = dict(re.findall(r"^(\w+) +\d+ +\d+  (equal|differ.*)$", done.stdout, re.M))
    assert set(found) == set(TABLES), done.stdout + done.stderr
    return found


def differing(done):
    return {table for table, words in verdicts(done).items() if words != "equal"}


def schemas(world):
    return {name for (name,) in world.sql("SELECT nspname FROM pg_namespace")}


def test_rebuilt_tables_are_equal(world):
    """A busy world, made anew from its log while events come in; a server can go on with the rebuilt tables."""
    log = busy_log(world)
    server = world.serve()
    world.wait_processed(120)
    resolve_rivals(world, log)
    with Load([server]) as load:
        eventually(lambda: load.sent > 50)
        done = replay(world, "--into", "again")
        assert done.returncode == 0, done.stdout + done.stderr
        assert differing(done) == set() and "DROP SCHEMA again CASCADE" in done.stdout, done.stdout
    # The same by the tests' own dumps, now that nothing moves.
    world.wait_processed(60)
    eventually(lambda: model.journals_follow(world.db()), 30)
    revision = world.sql("SELECT revision FROM attribution_revision")
    done = replay(world, "--into", "again")
    assert done.returncode == 1 and "--drop-first" in done.stderr
    done = replay(world, "--into", "again", "--drop-first")
    assert done.returncode == 0 and differing(done) == set(), done.stdout + done.stderr
    assert world.sql("SELECT revision FROM attribution_revision") == revision, "copying settings is no change of them"
    live = model.dump(world.db())
    db = world.db()
    db.execute("SET search_path = again")
    model.assert_same_dumps(live, model.dump(db), "rebuilt")
    statistics = [server.statistics(log.workload.campaigns[0], group_by=g)["data"]
                  for g in ("daily", "weekly", "monthly")]
    assert server.stop() == 0
    # The names changed, the rebuilt tables are the live ones.
    world.sql("ALTER SCHEMA public RENAME TO former")
    world.sql("ALTER SCHEMA again RENAME TO public")
    world.redis().flushdb()
    world.produce_event("click", click_body(click_id=new_id()))
    world.flush()
    server = world.serve()
    world.wait_processed(60)
    assert statistics == [server.statistics(log.workload.campaigns[0], group_by=g)["data"]
                          for g in ("daily", "weekly", "monthly")]
    check_world(world)


def test_late_events_and_rereading_while_rebuilding(world):
    """Late events of closed days keep coming, a replay in place is under way: nothing of it is a difference."""
    log = busy_log(world)
    server = world.serve(JOURNAL_INTERVAL_MS=2000)
    world.wait_processed(120)
    campaigns, users = log.workload.campaigns, log.workload.users
    stop = threading.Event()

    def late():
        rng = random.Random(2)
        while not stop.is_set():
            at = rfc3339(now() - model.datetime.timedelta(days=rng.randrange(1, 30)))
            server.batch([{"event": "click", **click_body(campaign_id=rng.choice(campaigns), user_id=rng.choice(users),
                                                          click_date=at)} for _ in range(5)])
            time.sleep(0.02)

    thread = threading.Thread(target=late)
    thread.start()
    try:
        again = start_replay(world, "--from-beginning")
        for i in range(3):
            done = replay(world, "--into", f"again_{i}", "--drop")
            assert done.returncode == 0 and differing(done) == set(), done.stdout + done.stderr
            assert f"again_{i}" not in schemas(world) and "is dropped" in done.stdout
        assert again.wait(60 * SLOW) == 0
        again.communicate()
    finally:
        stop.set()
        thread.join()
    world.wait_processed(60)
    check_world(world)


def one_of(kind, where=""):
    """The condition that one stored event fulfils; its id alone may have several times."""
    key = f"{kind}_id, {kind}_date"
    return f"({key}) = (SELECT {key} FROM {kind}_events {where} LIMIT 1)"


def test_damage_is_found(world):
    """Whatever is changed by hand in a table, that table is named, with the place."""
    busy_log(world, 2000, rivals=False)
    server = world.serve()
    world.wait_processed(60)
    eventually(lambda: model.journals_follow(world.db()), 30)
    assert server.stop() == 0
    damages = (
        (f"DELETE FROM click_events WHERE {one_of('click')}", "click_events"),
        (f"UPDATE click_events SET source = 'x' WHERE {one_of('click')}", "click_events"),
        (f"UPDATE conversion_events SET value_minor = value_minor + 1 WHERE {one_of('conversion')}", "conversion_events"),
        ("UPDATE conversion_events SET click_id = NULL, click_date = NULL WHERE "
         f"{one_of('conversion', 'WHERE click_id IS NOT NULL')}", "conversion_events"),
        ("INSERT INTO click_buckets SELECT shard, campaign_id, 'nowhere', bucket, 1 FROM click_buckets LIMIT 1",
         "click_buckets"),
        ("UPDATE conversion_buckets SET unattributed = unattributed + 1 WHERE ctid = (SELECT min(ctid) FROM "
         "conversion_buckets)", "conversion_buckets"),
        (f"DELETE FROM day_shares WHERE ctid = (SELECT min(ctid) FROM day_shares WHERE {model.SHARES_SOMETHING})",
         "day_shares"),
        ("UPDATE campaign_journals SET clicks = clicks + 1 WHERE ctid = (SELECT min(ctid) FROM campaign_journals)",
         "campaign_journals"),
        ("UPDATE campaign_quarters SET quarters = set_byte(quarters, 9, get_byte(quarters, 9) + 1) WHERE ctid = "
         "(SELECT min(ctid) FROM campaign_quarters WHERE model = '')", "campaign_quarters"),
        ("DELETE FROM campaign_statistics WHERE ctid = (SELECT min(ctid) FROM campaign_statistics)",
         "campaign_statistics"),
        ("DELETE FROM dead_letters WHERE ctid = (SELECT min(ctid) FROM dead_letters WHERE reason = 'malformed')",
         "dead_letters"),
        ("DELETE FROM dead_letters WHERE ctid = (SELECT min(ctid) FROM dead_letters WHERE reason = 'conflict')",
         "dead_letters"),
        ("INSERT INTO dead_letters SELECT %s, partition, 0, key, payload, 'conflict', '' FROM dead_letters "
         "WHERE topic = %s AND partition NOT IN (SELECT partition FROM dead_letters WHERE \"offset\" = 0) LIMIT 1",
         "dead_letters"),
        ("UPDATE partition_fences SET stored[1] = stored[1] - 1, duplicate[1] = duplicate[1] + 1 WHERE partition = 1",
         "partition_fences"),
    )
    done = replay(world, "--into", "again", "--drop")
    assert done.returncode == 0, done.stdout + done.stderr
    for statement, table in damages:
        db = world.db()
        saved = "CREATE SCHEMA saved; " + "".join(
            f"CREATE TABLE saved.{t} AS SELECT * FROM {t}; " for t in TABLES)
        db.execute(saved)
        cursor = db.execute(statement, (world.topics["click"],) * 2 if "%s" in statement else None)
        assert cursor.rowcount == 1, statement
        done = replay(world, "--into", "again", "--drop", "--drop-first")
        # a message that was no conflict is booked late, so the rebuilt counts have it in another place
        more = {"partition_fences"} if "INSERT INTO dead_letters" in statement else set()
        assert done.returncode == 3 and differing(done) == {table} | more, (statement, done.stdout, done.stderr)
        assert "again" in schemas(world), "what is not equal is kept"
        assert re.search(rf"^{table} .*\n    \S+", done.stdout, re.M), done.stdout
        for t in TABLES:
            db.execute(f"DELETE FROM {t}")
            db.execute(f"INSERT INTO {t} SELECT * FROM saved.{t}")
        db.execute("DROP SCHEMA saved CASCADE")
    done = replay(world, "--into", "again", "--drop", "--drop-first")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_in_the_log(world):
    """When a campaign was registered, what was refused for a while, and which of two partitions was first."""
    world.migrate()
    server = world.serve(AUTO_REGISTER_CAMPAIGNS="false")
    known, later = new_id(), new_id()
    world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", known)
    events = [click_body(click_id=new_id(), campaign_id=c) for c in (known, later) for _ in range(20)]
    for event in events:
        world.produce_event("click", event)
    world.wait_processed()
    world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", later)
    for event in events:                # as an operator sends them again
        world.produce_event("click", event)
    world.wait_processed()
    for i in range(10):                 # these stay away
        world.produce_event("conversion", conversion_body(conversion_id=new_id(), campaign_id=new_id()))
    unknown = [conversion_body(conversion_id=new_id(), campaign_id=new_id()) for _ in range(10)]
    for event in unknown:               # these come back by being read again, now and after that
        world.produce_event("conversion", event)
    world.wait_processed()
    for event in unknown:
        world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", event["campaign_id"])
    done = replay(world, "--from-beginning")
    assert done.returncode == 0 and "10 events were missing and are stored now" in done.stdout, done.stdout
    world.produce_event("conversion", unknown[0])
    # Somebody's constraint, dropped later; one of the messages is sent again then.
    world.sql("ALTER TABLE click_events ADD CONSTRAINT no_poison CHECK (source <> 'poison')")
    poison = [click_body(click_id=new_id(), campaign_id=known, source="poison") for _ in range(4)]
    for event in poison:
        world.produce_event("click", event)
    world.wait_processed()
    world.sql("ALTER TABLE click_events DROP CONSTRAINT no_poison")
    world.produce_event("click", poison[0])
    # One id and time, several users: one after another, so that any partition may have the first.
    for _ in range(6):
        shared = {"conversion_id": new_id(), "conversion_date": rfc3339(now()), "campaign_id": known}
        for _ in range(3):
            world.produce_event("conversion", conversion_body(**shared, user_id=new_id()))
            world.wait_processed()
    assert {r for (r,) in world.sql("SELECT reason FROM dead_letters")} == {"unknown_campaign", "refused", "conflict"}
    for auto in ("false", "true"):
        done = replay(world, "--into", "again", "--drop", AUTO_REGISTER_CAMPAIGNS=auto)
        assert done.returncode == 0 and differing(done) == set(), done.stdout + done.stderr
    assert server.stop() == 0


def test_rebuild_needs_the_whole_log(world):
    """The beginning is gone: an error that names the offsets, and no schema is left."""
    world.serve()
    for _ in range(200):
        world.produce_event("click", click_body(click_id=new_id()))
    world.wait_processed()
    ends = world.end_offsets("click")
    futures = world.services.admin().delete_records([TopicPartition(world.topics["click"], 2, 7)])
    for future in futures.values():
        future.result(30)
    done = replay(world, "--into", "again")
    assert done.returncode == 1 and not done.stdout
    topic = world.topics["click"]
    assert re.search(rf"{topic} partition 2 .*deleted what is before 7; offsets 7 to {ends[2]} are left",
                     done.stderr), done.stderr
    assert "again" not in schemas(world)


def test_a_schema_of_others_is_left_alone(world):
    """Only a schema that replay made is ever dropped; a signal leaves none behind."""
    world.serve()
    busy_log(world, 3000)
    world.wait_processed(60)
    world.sql("CREATE SCHEMA mine")
    world.sql("CREATE TABLE mine.precious ()")
    done = replay(world, "--into", "mine", "--drop-first")
    assert done.returncode == 1 and "left alone" in done.stderr
    # PostgreSQL looks into the schema of the user's name first: the live tables would be out of sight.
    done = replay(world, "--into", world.env["DB_USER"])
    assert done.returncode == 1 and "left alone" in done.stderr
    assert world.env["DB_USER"] not in schemas(world)
    assert world.sql("SELECT count(*) FROM mine.precious") == [(0,)]
    running = start_replay(world, "--into", "again")
    eventually(lambda: "again" in schemas(world))
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60 * SLOW)
    assert running.returncode == 1 and "interrupted" in stderr
    assert "again" not in schemas(world)
    running = start_replay(world, "--into", "again")
    eventually(lambda: "again" in schemas(world))
    running.kill()
    running.communicate()
    done = replay(world, "--into", "again", "--drop-first")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_empty_world_is_equal(world):
    """Nothing read yet: equal."""
    world.migrate()
    done = replay(world, "--into", "again", "--drop")
    assert done.returncode == 0 and differing(done) == set(), done.stdout + done.stderr
