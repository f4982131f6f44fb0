"""`tyrattribution dead-letters`: what could not be processed is found, looked at, sent again, given up.

Bad messages are written straight into the topics, as a foreign producer would, and a running server makes dead
letters of them. Whatever the tool does afterwards, every event counts once, and the fence rows still account
for every message of the log.
"""

import contextlib
import json
import signal
import subprocess

import pytest

import model
from harness import BINARY, ROOT, SLOW, clean_env, eventually, free_port, new_id, partition_of, run_program, \
    today

CAMPAIGN = new_id()


def click(user=None, **fields):
    event = model.Event("click", new_id(), model.now_ms(), user or new_id(), CAMPAIGN, "mail")
    return event._replace(**fields)


def letters(world, *args, code=0, stdin=None, env=None):
    """Run the tool; what it wrote, as bytes."""
    done = subprocess.run([BINARY, "dead-letters", *args], env=clean_env({**world.env, **(env or {})}), cwd=world.dir,
                          input=stdin or b"", capture_output=True, timeout=120 * SLOW, check=False)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done


def out(world, *args, **kwargs):
    return letters(world, *args, **kwargs).stdout.decode()


def listed(world, *args):
    """The rows of list as dicts."""
    return [json.loads(line) for line in out(world, "list", "--format=ndjson", *args).splitlines()]


def last_line(text):
    return text.splitlines()[-1]


def place(world, reason):
    """The one open letter with this reason, as arguments that select it."""
    (row,) = world.sql('SELECT topic, partition, "offset" FROM dead_letters WHERE reason = %s AND state = \'open\'',
                       reason)
    return [f"--topic={row[0]}", f"--partition={row[1]}", f"--offset={row[2]}"]


def send(world, event, partition=None, value=None):
    """An event into its topic, or another payload, or into another partition."""
    world.produce(event.kind, event.message() if value is None else value, event.user.encode(), partition)


def misplace(world, event):
    send(world, event, partition=(partition_of(event.user, world.partitions()) + 1) % world.partitions())


def wait_letters(world, n):
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM dead_letters") == [(n,)]


def states(world):
    return dict(world.sql("SELECT state, count(*) FROM dead_letters GROUP BY state"))


def check_counts(world, server, stored):
    """The identity of the fences, the rows, the statistics and a plain recount agree."""
    world.wait_processed()
    assert world.sql(
        "SELECT bool_and(high_offset[t] - first_offset[t] = stored[t] + duplicate[t] + dead_lettered[t] + gaps[t]),"
        " sum(stored[t]) FROM partition_fences, generate_series(1, 2) AS t") == [(True, stored)]
    assert world.sql("SELECT (SELECT count(*) FROM click_events) + (SELECT count(*) FROM conversion_events)") == \
        [(stored,)]
    # rows are never deleted: they are what the fences count
    assert world.sql("SELECT (SELECT sum(dead_lettered[1] + dead_lettered[2]) FROM partition_fences)"
                     " = (SELECT count(*) FROM dead_letters)") == [(True,)]
    db = world.db()
    assert model.day_shares(db) == model.recount(db)
    answer = server.statistics(CAMPAIGN, **{"from": today(-2)})
    assert model.periods_of_answer(answer) == model.periods_of_recount(db, CAMPAIGN)


def shards(world):
    """For each partition the ids of the clicks that it stored."""
    found = {}
    for shard, event_id in world.sql("SELECT shard, click_id FROM click_events"):
        found.setdefault(shard, set()).add(str(event_id))
    return found


# --- looking -------------------------------------------------------------------------------------

def zoo(world):
    """A server, and one letter of each sort; the server, and the events by sort."""
    server = world.serve(AUTO_REGISTER_CAMPAIGNS="false")
    world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", CAMPAIGN)
    good, misplaced, unknown = click(), click(), click(campaign=new_id())
    user = new_id()
    send(world, good)
    send(world, good._replace(source="other"))
    misplace(world, misplaced)
    send(world, unknown)
    send(world, click(user), value=b'{"user_id": "\x1b[31mred\x07",\n"tab": "\tx"}')
    send(world, click(user), value=b"\xff\x00\xfebytes that are no text")
    world.produce("conversion", None, b"\xfe key", 2)
    wait_letters(world, 6)
    return server, {"good": good, "misplaced": misplaced, "unknown": unknown, "user": user}


def test_list_and_show_say_what_there_is(world):
    server, sent = zoo(world)
    text = out(world, "list")
    lines = text.splitlines()
    assert lines[0].split() == ["TOPIC", "PART", "OFFSET", "CREATED", "REASON", "BYTES", "DETAIL"]
    assert len(lines) == 1 + 6 + 1
    assert lines[-1].startswith("listed: 6 (") and "3 malformed" in lines[-1] and "1 conflict" in lines[-1]
    narrow = out(world, "list", env={"COLUMNS": "115"}).splitlines()[1:-1]
    assert max(len(line) for line in narrow) == 115 and any(line.endswith("...") for line in narrow)
    rows = listed(world)
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    assert {(row["topic"], row["partition"], row["offset"], row["reason"], row["detail"], row["state"],
             row["payload_bytes"]) for row in rows} == set(world.sql(
                 'SELECT topic, partition, "offset", reason, detail, state, octet_length(payload) FROM dead_letters'))
    summary = out(world, "list", "--summary")
    assert "malformed" in summary and last_line(summary).startswith("listed: 6, ")
    sums = [json.loads(line) for line in out(world, "list", "--summary", "--format=ndjson").splitlines()]
    assert {row["reason"]: row["letters"] for row in sums} == \
        {"malformed": 3, "misplaced": 1, "conflict": 1, "unknown_campaign": 1}

    # what is selected
    assert {row["reason"] for row in listed(world, "--reason=conflict,misplaced")} == {"conflict", "misplaced"}
    assert len(listed(world, "--reason", "conflict", "--reason", "malformed")) == 4
    assert len(listed(world, "--topic=click")) == 5
    assert len(listed(world, "--topic", world.topics["conversion"])) == 1
    assert len(listed(world, "--topic=nothing")) == 0
    assert len(listed(world, "--topic=conversion", "--partition=2", "--offset=0")) == 1
    assert len(listed(world, "--topic=conversion", "--partition=3")) == 0
    assert len(listed(world, f"--from={today(-1)}", f"--to={today(1)}")) == 6
    assert len(listed(world, f"--to={today(-1)}")) == 0
    assert len(listed(world, f"--from={today(1)}T00:00:00+00:00")) == 0
    assert len(listed(world, "--limit=2")) == 2
    assert listed(world, "--limit=2") == rows[:2]
    assert len(listed(world, "--state=replayed")) == 0
    assert len(listed(world, "--state=all")) == 6

    # whole: text is escaped, bytes are dumped, and --raw gives what there is
    where = [f"--partition={partition_of(sent['user'], world.partitions())}", "--topic=click", "--reason=malformed"]
    shown = out(world, "show", *where)
    assert '{"user_id": "\\x1b[31mred\\x07",\n"tab": "\\tx"}' in shown
    assert "00000000  ff 00 fe 62 79 74 65 73" in shown and "|...bytes that are|" not in shown
    assert "|...bytes that ar|" in shown
    assert sent["user"] in shown and "\x1b" not in shown
    assert last_line(shown).startswith("shown: 2 (2 malformed)")
    shown = out(world, "show", *place(world, "misplaced"))
    assert sent["misplaced"].message().decode() in shown and "the user belongs to partition" in shown
    tombstone = ["--topic=conversion", "--partition=2", "--offset=0"]
    shown = out(world, "show", *tombstone)
    assert "payload   none" in shown and "00000000  fe 20 6b 65 79" in shown
    (topic, partition, offset), = world.sql(
        'SELECT topic, partition, "offset" FROM dead_letters WHERE payload = %s', b"\xff\x00\xfebytes that are no text")
    raw = letters(world, "show", f"--topic={topic}", f"--partition={partition}", f"--offset={offset}", "--raw")
    assert raw.stdout == b"\xff\x00\xfebytes that are no text"
    assert b"no payload" in letters(world, "show", "--raw", *tombstone, code=1).stderr
    assert b"--raw: expected one selected letter, not several" in letters(world, "show", "--raw", code=2).stderr
    assert b"not none" in letters(world, "show", "--raw", "--topic=nothing", code=2).stderr
    assert states(world) == {"open": 6}
    check_counts(world, server, 1)


def test_pages_hold_every_letter_once(world):
    """More letters than a page, many of the same moment."""
    world.migrate()
    world.sql('INSERT INTO dead_letters (topic, partition, "offset", payload, reason, detail, created_at)'
              " SELECT E'odd \"topic\\\\', n % 3, n, convert_to(repeat('x', n % 7), 'UTF8'), 'malformed', 'none',"
              " '2026-01-01Z'::timestamptz + n / 700 * interval '1 us' FROM generate_series(1, 2345) n")
    rows = listed(world)
    assert sorted(row["offset"] for row in rows) == list(range(1, 2346))
    assert [row["offset"] for row in listed(world, "--limit=1100")] == [row["offset"] for row in rows[:1100]]
    assert len(listed(world, "--from=2026-01-01T00:00:00Z", "--to=2026-01-01")) == 2345
    dry = out(world, "drop", "--dry-run")
    assert len(dry.splitlines()) == 2346 and last_line(dry).startswith("would be dropped: 2345 (2345 malformed), ")
    assert out(world, "drop", "--yes", "--limit=1001").startswith("dropped: 1001 (1001 malformed), ")
    assert states(world) == {"open": 1344, "dropped": 1001}
    # a topic that is none of ours cannot be replayed
    text = out(world, "replay", "--dry-run", "--limit=1", code=3)
    assert "its topic is none of those" in text


def test_big_letters_do_not_fill_memory(world):
    """Pages are bounded by bytes as well; sent again, all of them arrive."""
    server = world.serve()
    kept = 40
    for n in range(kept):
        send(world, click(), value=b"x%d " % n + b"x" * 700_000)
    wait_letters(world, kept)
    limit = 400_000 if not model.sanitized() else None
    command = [BINARY, "dead-letters", "show"]
    if limit:
        command = ["/bin/sh", "-c", f'ulimit -v {limit}; exec "$@"', "sh", *command]
    done = subprocess.run(command, env=clean_env(world.env), cwd=world.dir, capture_output=True, check=False,
                          timeout=120 * SLOW)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"xxxxxxxxxx\n") == kept
    assert server.is_running()


def test_a_letter_that_is_too_big_to_send_is_named(world):
    """Kafka's library has a limit of its own, and takes the others all the same."""
    server = world.serve()
    misplace(world, click())
    wait_letters(world, 1)
    big = click()
    world.sql('INSERT INTO dead_letters (topic, partition, "offset", payload, reason, detail)'
              " VALUES (%s, 0, 1000000, %s, 'misplaced', 'by hand')", world.topics["click"],
              big.message()[:-1] + b',"pad":"' + b"x" * 1_100_000 + b'"}')
    text = out(world, "replay", code=3)
    assert f"left: {world.topics['click']} 0 1000000: misplaced: Kafka's library refuses it" in text
    assert last_line(text) == "replayed: 1 (1 misplaced); left: 1 (1 misplaced)"
    assert states(world) == {"open": 1, "replayed": 1}
    world.sql('DELETE FROM dead_letters WHERE "offset" = 1000000')
    check_counts(world, server, 1)


# --- sending again -------------------------------------------------------------------------------

def test_letters_go_where_they_belong_once(world):
    server, sent = zoo(world)
    dry = out(world, "replay", "--dry-run", code=3)
    assert f"to {world.topics['click']} {partition_of(sent['misplaced'].user, world.partitions())}, " \
           f"key {sent['misplaced'].user}" in dry
    assert last_line(dry).startswith("would be replayed: 2 (1 ") and "; left: 4 (" in last_line(dry)
    assert "3 malformed" in last_line(dry) and "1 conflict" in last_line(dry)
    assert states(world) == {"open": 6}

    # the misplaced one is stored where it belongs; the unknown one is a new letter until it is known
    text = out(world, "replay", code=3)
    assert "left: 4 (" in last_line(text) and text.count("left: " + world.topics["click"]) == 3
    assert "it would conflict again" in text and "the message has no payload" in text
    wait_letters(world, 7)
    assert states(world) == {"open": 5, "replayed": 2}
    assert sent["misplaced"].id in shards(world)[partition_of(sent["misplaced"].user, world.partitions())]
    check_counts(world, server, 2)
    world.sql("INSERT INTO campaigns (campaign_id) VALUES (%s)", sent["unknown"].campaign)
    assert out(world, "replay", "--reason=unknown_campaign") == \
        "replayed: 1 (1 unknown_campaign); left: 0\n"
    check_counts(world, server, 3)
    (key, value), = world.sql("SELECT key, payload FROM dead_letters WHERE state = 'replayed' AND reason = 'misplaced'")
    assert (key, value) == (sent["misplaced"].user.encode(), sent["misplaced"].message())

    # again: there is nothing to do; what was replayed can be, and counts as a duplicate
    before = model.dump(world.db())
    assert out(world, "replay", "--reason=misplaced,unknown_campaign") == "replayed: 0; left: 0\n"
    assert out(world, "replay", "--state=replayed").startswith("replayed: 3 (")
    check_counts(world, server, 3)
    model.assert_same_dumps(before, model.dump(world.db()), "after replaying again")
    assert world.sql("SELECT sum(duplicate[1]) FROM partition_fences") == [(3,)]

    # a conflict conflicts again
    assert last_line(out(world, "replay", "--reason=conflict", code=3)) == "replayed: 0; left: 1 (1 conflict)"
    assert out(world, "replay", "--reason=conflict", "--force") == "replayed: 1 (1 conflict); left: 0\n"
    world.wait_processed()
    assert [row["state"] for row in listed(world, "--reason=conflict", "--state=all")] == ["replayed", "open"]
    check_counts(world, server, 3)
    mended = sent["good"]._replace(id=new_id(), source="other").message()
    assert out(world, "replay", "--reason=conflict", "--payload=-", stdin=mended) == \
        "replayed: 1 (1 conflict); left: 0\n"
    check_counts(world, server, 4)


def test_a_mended_payload_is_stored(world, tmp_path):
    server = world.serve()
    event = click()
    conversion = event._replace(kind="conversion", id=new_id(), ms=event.ms + 1, type="buy", value_minor=250)
    send(world, event, value=event.message().replace(b'"source"', b'"sauce"'))
    world.produce("conversion", None, partition=0)
    wait_letters(world, 2)
    where = ["--topic=click"]
    mended = tmp_path / "mended.json"

    mended.write_bytes(event.message().replace(event.campaign.encode(), b"nonsense"))
    done = letters(world, "replay", *where, "--payload", str(mended), code=2)
    assert b"--payload: campaign_id: expected a UUID" in done.stderr and done.stdout == b""
    mended.write_bytes(b"")
    assert b"--payload: " in letters(world, "replay", *where, f"--payload={mended}", code=2).stderr
    done = letters(world, "replay", "--payload", str(mended), code=2)
    assert b"--payload: expected one selected letter, not several" in done.stderr
    assert b"No such file" in letters(world, "replay", *where, "--payload=/nowhere", code=2).stderr
    assert states(world) == {"open": 2} and world.behind() == {}

    mended.write_bytes(event.message())
    assert "would send: " in out(world, "replay", *where, "--dry-run", f"--payload={mended}")
    assert out(world, "replay", *where, f"--payload={mended}") == "replayed: 1 (1 malformed); left: 0\n"
    assert out(world, "replay", "--topic=conversion", "--payload=-", stdin=conversion.message() + b"\n") == \
        "replayed: 1 (1 malformed); left: 0\n"
    check_counts(world, server, 2)
    assert world.recount(CAMPAIGN) == {today(): (1, 1, 250, 0, 0)}
    assert event.id in shards(world)[partition_of(event.user, world.partitions())]
    assert states(world) == {"replayed": 2}
    assert letters(world, "replay", *where, f"--payload={mended}", code=2).stderr.startswith(
        b"dead-letters: --payload: expected one selected letter, not none")


def test_letters_of_a_lost_log_still_find_their_topic(world):
    """README has their topic renamed when Kafka's topics are made anew."""
    server = world.serve()
    event = click()
    misplace(world, event)
    wait_letters(world, 1)
    world.sql("UPDATE dead_letters SET topic = topic || '.old.old'")
    assert out(world, "replay") == "replayed: 1 (1 misplaced); left: 0\n"
    check_counts(world, server, 1)


def test_killed_between_sending_and_marking(world):
    """Letters that were sent and not marked are sent again, and count once."""
    n = 5000 if not model.sanitized() else 1500
    server = world.serve()
    events = [click() for _ in range(n)]
    for event in events:
        misplace(world, event)
    wait_letters(world, n)

    # a row in the middle cannot be marked now: its page is in Kafka when the process dies
    holder = world.db()
    holder.autocommit = False
    (middle,) = holder.execute('SELECT topic, partition, "offset" FROM dead_letters'
                               ' ORDER BY created_at, topic, partition, "offset" OFFSET %s LIMIT 1',
                               (n // 2,)).fetchall()
    holder.execute('SELECT FROM dead_letters WHERE (topic, partition, "offset") = (%s, %s, %s) FOR UPDATE', middle)
    process = subprocess.Popen([BINARY, "dead-letters", "replay"], env=clean_env(world.env), cwd=world.dir,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: world.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND application_name = 'tyrattribution dead-letters' AND query LIKE '%%UPDATE%%'") == [(1,)], 60)
        assert process.poll() is None
        second = letters(world, "replay", code=1)       # one at a time
        assert b"another replay or drop of dead letters is running" in second.stderr
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
              " AND application_name = 'tyrattribution dead-letters'")   # else it would still commit by itself
    holder.rollback()
    world.wait_processed()
    assert 0 < states(world)["replayed"] < n
    sent = world.sql("SELECT sum(stored[1]) FROM partition_fences")[0][0]
    assert states(world)["replayed"] < sent < n

    left = states(world)["open"]
    eventually(lambda: world.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                 " AND application_name = 'tyrattribution dead-letters'") == [(0,)])
    assert out(world, "replay") == f"replayed: {left} ({left} misplaced); left: 0\n"
    check_counts(world, server, n)
    assert states(world) == {"replayed": n}
    assert world.sql("SELECT sum(duplicate[1]) FROM partition_fences")[0][0] == sent - (n - left)
    assert {e.id for e in events} == set().union(*shards(world).values())
    for shard, ids in shards(world).items():
        assert ids == {e.id for e in events if partition_of(e.user, world.partitions()) == shard}
    assert out(world, "replay") == "replayed: 0; left: 0\n"


def test_killed_at_any_moment(world):
    """The same wherever it dies."""
    rng = model.seeded_random()
    n = 5000 if not model.sanitized() else 1500
    server = world.serve()
    for _ in range(n):
        misplace(world, click())
    wait_letters(world, n)
    marked = []
    while len(marked) < 5:
        process = subprocess.Popen([BINARY, "dead-letters", "replay"], env=clean_env(world.env), cwd=world.dir,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.02, 0.25) * SLOW)
        process.send_signal(signal.SIGKILL)
        process.wait()
        marked.append(states(world).get("replayed", 0))
    print("marked", marked)
    eventually(lambda: out(world, "replay").endswith("; left: 0\n"))
    check_counts(world, server, n)
    assert states(world) == {"replayed": n}


# --- giving up -----------------------------------------------------------------------------------

def test_drop_keeps_the_row_and_empties_it(world):
    server, _ = zoo(world)
    assert b"--yes" in letters(world, "drop", code=2).stderr
    dry = out(world, "drop", "--dry-run", "--reason=malformed")
    assert dry.count("would drop: ") == 3 and states(world) == {"open": 6}
    assert out(world, "drop", "--yes", "--reason=malformed").startswith("dropped: 3 (3 malformed), ")
    assert states(world) == {"open": 3, "dropped": 3}
    assert world.sql("SELECT DISTINCT reason, key, payload, resolved_at IS NOT NULL FROM dead_letters"
                     " WHERE state = 'dropped'") == [("malformed", None, None, True)]
    assert world.sql("SELECT count(*) FROM dead_letters WHERE state = 'open' AND payload IS NULL") == [(0,)]
    assert out(world, "drop", "--yes", "--reason=malformed") == "dropped: 0, 0 bytes\n"
    assert "dropped, since" in out(world, "show", "--state=dropped")
    assert len(listed(world)) == 3 and len(listed(world, "--state=dropped")) == 3
    assert out(world, "replay", "--reason=malformed") == "replayed: 0; left: 0\n"
    check_counts(world, server, 1)

    # reading the log again does not bring them back
    assert server.stop() == 0
    world.sql("UPDATE partition_fences SET next_offset = first_offset")
    server = world.serve(AUTO_REGISTER_CAMPAIGNS="false")
    world.wait_processed()
    assert states(world) == {"open": 3, "dropped": 3}
    check_counts(world, server, 1)


# --- what goes wrong -----------------------------------------------------------------------------

BAD_ARGUMENTS = [
    ([], "a command is missing: expected list, show, replay or drop"),
    (["frobnicate"], "unknown command 'frobnicate'"),
    (["list", "extra"], "extra: unexpected"),
    (["list", "--frob"], "--frob: not an option of list"),
    (["list", "-x"], "-x: not an option of list"),
    (["list", "--force"], "--force: not an option of list"),
    (["show", "--yes"], "--yes: not an option of show"),
    (["list", "--reason"], "--reason: its argument is missing"),
    (["list", "--reason=typo"], "--reason: 'typo' is none; expected malformed, misplaced, conflict"),
    (["list", "--reason=conflict,"], "--reason: '' is none"),
    (["list", "--topic="], "--topic: expected click"),
    (["list", "--partition=-1"], "--partition: '-1' is not a number from 0"),
    (["list", "--partition=2147483648"], "--partition: "),
    (["list", "--offset=1e3"], "--offset: '1e3' is not a number"),
    (["list", "--offset=99999999999999999999"], "--offset: "),
    (["list", "--limit=0"], "--limit: '0' is not a number from 1"),
    (["list", "--limit=5", "--summary"], "--limit: "),
    (["list", "--from=yesterday"], "--from: 'yesterday' is neither"),
    (["list", "--to=2026-02-30"], "--to: '2026-02-30' is neither"),
    (["list", "--from=2026-02-02", "--to=2026-02-01"], "--from: not before --to"),
    (["list", "--state=closed"], "--state: 'closed' is none"),
    (["list", "--format=xml"], "--format: 'xml' is none"),
    (["replay", "--state=dropped"], "--state: replay takes open or replayed"),
    (["drop", "--yes", "--state=all"], "--state: drop takes open or replayed"),
    (["drop"], "--yes"),
]


@pytest.mark.parametrize("args, message", BAD_ARGUMENTS, ids=lambda x: "_".join(x)[:40] if isinstance(x, list) else "")
def test_rejects_bad_arguments(args, message):
    done = run_program("dead-letters", *args)
    assert done.returncode == 2 and done.stdout == "", done
    assert message in done.stderr.splitlines()[0], done.stderr
    assert done.stderr.splitlines()[1:] == ["see: tyrattribution dead-letters --help"]


def test_help():
    assert "dead-letters" in run_program("--help").stdout
    for command in ([], ["list"], ["show"], ["replay"], ["drop"]):
        done = run_program("dead-letters", *command, "--help")
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout.startswith("tyrattribution dead-letters")
        assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_services_that_are_down(world):
    """One sentence, status 1, and nothing is marked."""
    world.serve()
    misplace(world, click())
    wait_letters(world, 1)
    port = free_port()
    for command in (["list"], ["show"], ["replay"], ["drop", "--yes"]):
        done = letters(world, *command, code=1, env={"DB_PORT": str(port)})
        assert done.stdout == b"" and len(done.stderr.splitlines()) == 1, done.stderr
        assert b"PostgreSQL at 127.0.0.1:%d cannot be reached" % port in done.stderr
    done = letters(world, "replay", code=1, env={"KAFKA_URL": f"127.0.0.1:{port}"})
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"Kafka at 127.0.0.1:%d cannot be reached" % port in done.stderr
    assert states(world) == {"open": 1}
    done = letters(world, "replay", code=1, env={"KAFKA_CLICK_TOPIC": "another"})
    assert b"the topic another has 0 partitions, but 4 are recorded" in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "dead-letters", "list"], env=clean_env(world.env), cwd=world.dir, stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1 and b"standard output cannot be written" in done.stderr


def test_kafka_going_away_marks_nothing(world):
    """Kafka answers, and then no more: what it did not acknowledge stays open."""
    server = world.serve()
    misplace(world, click())
    wait_letters(world, 1)
    holder = world.db()     # replay waits for its lock, having read nothing
    holder.autocommit = False
    holder.execute("LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE")
    process = subprocess.Popen([BINARY, "dead-letters", "replay"], env=clean_env(world.env), cwd=world.dir,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: world.sql("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = "
                                 "'dead_letters'::regclass") == [(1,)], 60)
    world.services.kill("kafka", "STOP")
    holder.rollback()
    _, complaint = process.communicate(timeout=90 * SLOW)
    assert process.returncode == 1 and b"did not acknowledge" in complaint, complaint
    assert states(world) == {"open": 1}
    world.services.kill("kafka", "CONT")
    eventually(lambda: out(world, "replay") == "replayed: 1 (1 misplaced); left: 0\n", 60)
    eventually(lambda: world.behind() == {}, 60)
    check_counts(world, server, 1)


# --- migration -----------------------------------------------------------------------------------

def test_a_database_of_version_1_is_migrated(world):
    newest = len(list((ROOT / "schema" / "migrations").glob("*.sql")))
    db = world.db()
    db.execute((ROOT / "schema" / "migrations" / "001_tables.sql").read_text())
    db.execute("CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
               " applied_at timestamptz NOT NULL DEFAULT now())")
    db.execute("INSERT INTO schema_migrations VALUES (1, '001_tables')")
    db.execute("INSERT INTO deployment (partitions) VALUES (4)")
    db.execute('INSERT INTO dead_letters (topic, partition, "offset", payload, reason, detail)'
               " VALUES (%s, 0, 7, 'x', 'malformed', 'why')", (world.topics["click"],))
    db.execute("INSERT INTO attribution_windows VALUES ('-infinity', '24 hours')")
    done = letters(world, "list", code=1)
    assert f"schema has version 1, this program needs {newest}: run `tyrattribution migrate`" in done.stderr.decode()
    done = world.run("serve", HTTP_LISTEN=f"127.0.0.1:{free_port()}", ADMIN_LISTEN=f"127.0.0.1:{free_port()}")
    assert done.returncode == 1 and "schema has version 1" in done.stderr
    world.migrate()
    world.migrate()
    versions = db.execute("SELECT version FROM schema_migrations ORDER BY version").fetchall()
    assert versions == [(i,) for i in range(1, newest + 1)]
    windows = "SELECT campaign_id = '00000000-0000-0000-0000-000000000000', type, lookback = '1 day' FROM attribution_windows"
    assert db.execute(windows).fetchall() == [(True, "", True)]
    (row,) = listed(world)
    assert (row["offset"], row["state"], row["resolved_at"]) == (7, "open", None)
    with pytest.raises(Exception, match="dead_letters_state_check"):
        db.execute("UPDATE dead_letters SET state = 'other'")
    world.serve()
    assert db.execute(windows).fetchall() == [(True, "", True)]


def test_a_database_without_schema_is_refused(world):
    done = letters(world, "list", code=1)
    assert b"has no schema of ours: run `tyrattribution migrate`" in done.stderr
