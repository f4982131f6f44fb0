"""Answers that the actor which has them writes: they are whole, in order, the right client's, and in time."""

import concurrent.futures
import random
import socket
import time

import pytest

from harness import SLOW, click_body, eventually, new_id
from test_http_edge import CLICKS, HOST, Client, post

FLOOD = 20000


@pytest.fixture(name="server")
def fixture_server(world):
    """A program that has more workers than the tests have clients."""
    return world.serve(HTTP_WORKERS=64)


def deferred(server):
    """How many answers were left to an actor."""
    return server.metrics()["tyr_http_deferred_total"]


def click(client):
    """Send a click and return its id."""
    wanted = new_id()
    client.send(post(CLICKS, click_body(click_id=wanted)))
    return wanted


def accepted(client, wanted):
    """Read the answer to the click with this id."""
    answer = client.read()
    assert (answer.status, answer.json()["click_id"]) == (201, wanted)
    assert answer.fields["connection"] == "keep-alive" and answer.fields["date"].endswith(" GMT")


def warm(client):
    """Send clicks until the connection's socket is known."""
    for _ in range(3):
        accepted(client, click(client))
        time.sleep(0.15)


def test_kept_connections(server):
    """All answers but a connection's first few are deferred, and what is between them is not mixed up with them."""
    with Client(server) as client:
        warm(client)
        before = deferred(server)
        for i in range(20):
            accepted(client, click(client))
            if i % 5 == 0:
                client.send(post(CLICKS, "[]"))
                assert client.read().status == 400
            if i % 5 == 1:
                client.send(f"GET /nothing HTTP/1.1\r\n{HOST}\r\n")
                assert client.read().status == 404
        assert deferred(server) == before + 20
        assert client.is_silent(0.1)
        client.send(post(CLICKS, click_body(), "Connection: close"))
        answer = client.read()
        assert answer.status == 201 and answer.closes and client.ends()
    assert deferred(server) == before + 20, "one that ends its connection is waited for"
    assert server.metrics()['tyr_accepted_total{outcome="accepted"}'] == 24


def test_half_closed(server):
    """A client that says it sends no more gets its deferred answer, then the end."""
    for _ in range(10):
        with Client(server) as client:
            warm(client)
            before = deferred(server)
            wanted = click(client)
            client.socket.shutdown(socket.SHUT_WR)
            accepted(client, wanted)
            assert deferred(server) == before + 1 and client.ends()


def test_pipelined_and_not_read(world):
    """A client that sends thousands of requests before it reads gets all of the answers, in order."""
    server = world.serve(HTTP_WORKERS=64)
    with Client(server) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        warm(client)
        ids = [new_id() for _ in range(FLOOD)]
        data = b"".join(post(CLICKS, click_body(click_id=wanted)) for wanted in ids)
        sending = pool.submit(client.send, data)
        time.sleep(1)
        others = server.click()
        assert others["status"] == "success", "who does not read keeps nobody else waiting"
        for wanted in ids:
            accepted(client, wanted)
        sending.result()


def visit(server, seed):
    """A client that comes and goes; the ids whose acceptance it has read."""
    rng = random.Random(seed)
    read = []
    for _ in range(60):
        with Client(server) as client:
            for _ in range(rng.randrange(1, 8)):
                wanted = click(client)
                if rng.random() < 0.2:
                    break       # gone without its answer
                accepted(client, wanted)
                read.append(wanted)
    return read


def test_clients_come_and_go(world, server):
    """Sockets are used again all the time, and no answer goes to somebody else."""
    with Client(server) as kept, concurrent.futures.ThreadPoolExecutor(8) as pool:
        visits = [pool.submit(visit, server, seed) for seed in range(8)]
        read = []
        while not all(v.done() for v in visits):
            read.append(click(kept))
            accepted(kept, read[-1])
        for one in visits:
            read += one.result()
    assert deferred(server) > 100
    world.wait_processed()
    stored = {row[0] for row in world.sql("SELECT click_id::text FROM click_events")}
    assert set(read) <= stored


def test_stopped_in_between(world, server):
    """SIGTERM while answers are deferred: every click whose answer was read is stored, and the exit is 0."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def load():
            read = []
            try:
                with Client(server) as client:
                    while True:
                        wanted = click(client)
                        answer = client.read()
                        if answer.status == 201:
                            read.append(answer.json()["click_id"])
                            assert read[-1] == wanted
            except (AssertionError, OSError):
                return read     # the connection ended
        loads = [pool.submit(load) for _ in range(4)]
        eventually(lambda: deferred(server) > 200, 20)
        server.signal(15)
        assert server.wait_exit(20) == 0, server.tail()
        read = [wanted for one in loads for wanted in one.result()]
    world.serve()
    world.wait_processed()
    stored = {row[0] for row in world.sql("SELECT click_id::text FROM click_events")}
    assert len(read) >= 200 and set(read) <= stored


def test_late(world):
    """An answer that does not come within ACK_TIMEOUT_MS is 503 with the event's id, and the connection goes on."""
    timeout_ms = int(800 * SLOW)
    server = world.serve(ACK_TIMEOUT_MS=timeout_ms, KAFKA_STALL_MS=60000, SPOOL_DIR="off")
    with Client(server) as client:
        warm(client)
        before, wanted = deferred(server), new_id()
        request = post(CLICKS, click_body(click_id=wanted))
        world.services.kill("kafka", "STOP")
        try:
            start = time.monotonic()
            answer = client.send(request).read()
            took_ms = (time.monotonic() - start) * 1000
            assert (answer.status, answer.json()["click_id"]) == (503, wanted)
            assert int(answer.fields["retry-after"]) >= 1 and answer.json()["error"]["code"] == "unavailable"
            assert timeout_ms * 0.95 < took_ms < timeout_ms * 1.5 + 500 * SLOW
            assert deferred(server) == before + 1
        finally:
            world.services.kill("kafka", "CONT")
        eventually(lambda: client.send(request).read().status == 201, 30, "it is accepted when it is sent again")
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM click_events WHERE click_id = %s", wanted) == [(1,)]
