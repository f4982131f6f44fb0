"""Who owns a partition books it, and nobody else: stale owners change nothing, frozen ones hold nobody up.

A gate, a trigger that waits for a lock of ours, holds writers inside their transactions, with the fence row
locked, for as long as a test wants.
"""

import signal
import time

import model
from harness import SLOW, click_body, eventually, new_id, partition_of

GATE = 4711
TAKEOVER_S = 10         # from the moment the owner freezes

TRIGGER = f"""
    CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END $$;
    CREATE TRIGGER gate AFTER INSERT ON click_events FOR EACH STATEMENT EXECUTE FUNCTION gate();
"""


class Gate:
    """While it is shut, every transaction that stores clicks waits, after it has locked its fence row."""

    def __init__(self, world):
        self.db = world.db()
        self.db.execute(TRIGGER)

    def shut(self):
        self.db.execute(f"SELECT pg_advisory_lock({GATE})")

    def open(self):
        self.db.execute(f"SELECT pg_advisory_unlock({GATE})")

    def waiting(self):
        """The backends that wait at the gate."""
        return {row[0] for row in self.db.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
            " AND application_name LIKE 'tyrattribution writer%'")}


class Users:
    """A user of each partition, and the ids of the clicks sent."""

    def __init__(self, world):
        self.world = world
        self.campaign = new_id()
        self.users = {}
        while len(self.users) < world.partitions():
            user = new_id()
            self.users.setdefault(partition_of(user, world.partitions()), user)
        self.sent = []

    def click_everywhere(self, server, times=1):
        for user in list(self.users.values()) * times:
            body = click_body(user_id=user, campaign_id=self.campaign, click_id=new_id())
            assert server.post("/api/events/click", body).status_code == 201
            self.sent.append(body["click_id"])

    def check(self):
        """Every click is stored once, counted once, and accounted for."""
        world = self.world
        stored = [str(row[0]) for row in world.sql("SELECT click_id FROM click_events")]
        assert sorted(stored) == sorted(self.sent)
        db = world.db()
        assert model.recount(db) == {k: v for k, v in model.day_shares(db).items() if v != model.Totals()}
        assert world.sql("SELECT count(*) FROM dead_letters") == [(0,)]
        for first, high, stored, duplicate, gaps in world.sql(
                "SELECT first_offset[1], high_offset[1], stored[1], duplicate[1], gaps[1] FROM partition_fences"):
            assert high - first == stored and duplicate == gaps == 0


def owners(world):
    """{partition: pid of the program that owns it}"""
    return {p: int(owner.rsplit(":", 1)[1]) for p, owner in world.sql("SELECT partition, owner FROM partition_fences")}


def both_own(world, servers):
    """Wait until the partitions are shared out."""
    pids = {server.pid for server in servers}
    eventually(lambda: set(owners(world).values()) == pids, 30)


def test_a_stale_owner_changes_nothing(world):
    """A transaction under an epoch that is not the row's any more finds nothing to lock, and is dropped."""
    server = world.serve(WRITERS=1, BATCH_LINGER_MS=1000)
    users = Users(world)
    users.click_everywhere(server)
    world.wait_processed()
    world.sql("UPDATE partition_fences SET epoch = epoch + 1")
    before = model.dump(world.db(), model.COMPARED_TABLES + ("partition_fences",))
    users.click_everywhere(server, times=5)
    eventually(lambda: server.metrics()["tyr_fenced_total"] == world.partitions(), 15)
    model.assert_same_dumps(before, model.dump(world.db(), model.COMPARED_TABLES + ("partition_fences",)),
                            "a stale owner's transaction")
    world.serve(WRITERS=2)      # joins the group, so that everything is assigned and claimed anew
    world.wait_processed()
    users.check()


def freeze_in_transaction(world, gate, victim, users, via):
    """Stop a program while it holds fence rows: every writer of it waits at the gate. The time of the stop."""
    gate.shut()
    users.click_everywhere(via, times=3)
    mine = {row[0] for row in world.sql("SELECT backend_pid FROM partition_fences WHERE owner LIKE %s",
                                        f"%:{victim.pid}")}
    eventually(lambda: mine <= gate.waiting(), 15, "all writers wait at the gate")
    victim.signal(signal.SIGSTOP)
    began = time.monotonic()
    gate.open()
    return began, mine


def take_over(world, victim, users, began, mine):
    """Wait until nothing belongs to the frozen program any more and everything is booked; how long that took."""
    eventually(lambda: victim.pid not in owners(world).values(), 60, "the partitions are claimed")
    claimed = time.monotonic() - began
    world.wait_processed()
    booked = time.monotonic() - began
    print(f"{len(mine)} frozen writers: all partitions claimed {claimed:.1f} s, all booked {booked:.1f} s "
          "after the owner froze")
    alive = {row[0] for row in world.sql("SELECT pid FROM pg_stat_activity")}
    assert not alive & mine, "the frozen owner's backends are still there"
    users.check()
    return claimed


def test_a_frozen_owner_does_not_block_its_successor(world):
    """One of two stops with locked fence rows; the other one takes over; the thawed one changes nothing, and works."""
    world.migrate(KAFKA_PARTITIONS=8)
    gate = Gate(world)
    users = Users(world)
    victim = world.serve(WRITERS=4, KAFKA_PARTITIONS=8)
    other = world.serve(WRITERS=2, KAFKA_PARTITIONS=8)
    both_own(world, [victim, other])
    users.click_everywhere(other, times=3)
    world.wait_processed()

    began, mine = freeze_in_transaction(world, gate, victim, users, other)
    assert len(mine) == 4
    claimed = take_over(world, victim, users, began, mine)
    assert claimed < TAKEOVER_S * SLOW
    before = model.dump(world.db())

    victim.signal(signal.SIGCONT)
    both_own(world, [victim, other])
    model.assert_same_dumps(before, model.dump(world.db()), "the thawed owner")
    users.check()
    for server in (victim, other):
        users.click_everywhere(server, times=5)
    world.wait_processed()
    users.check()


def test_an_owner_is_found_after_it_has_reconnected(world):
    """The backend named in the fence row is the one that books, also after its connection was lost."""
    world.migrate()
    gate = Gate(world)
    users = Users(world)
    victim = world.serve(WRITERS=2)
    other = world.serve(WRITERS=2)
    both_own(world, [victim, other])
    users.click_everywhere(other)
    world.wait_processed()
    ended = world.sql("SELECT backend_pid, pg_terminate_backend(backend_pid) FROM partition_fences")
    assert all(ok for _, ok in ended)
    users.click_everywhere(other)
    world.wait_processed()
    assert not {pid for pid, _ in ended} & {row[0] for row in world.sql("SELECT backend_pid FROM partition_fences")}
    began, mine = freeze_in_transaction(world, gate, victim, users, other)
    assert take_over(world, victim, users, began, mine) < TAKEOVER_S * SLOW
    victim.signal(signal.SIGCONT)
    both_own(world, [victim, other])
    users.check()
