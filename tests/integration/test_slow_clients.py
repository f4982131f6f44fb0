"""Clients that send a byte now and then must not hurt those that send whole requests."""

import contextlib
import select
import socket
import threading
import time

import requests

from harness import SLOW
from test_connections import Crowd

STARVED = 5          # no good client waits so long
BYTE_EVERY = 0.5
PATIENT = {"KAFKA_STALL_MS": 10000}     # a broker that shares a busy machine is not the subject here
HEADS = {
    "head": b"POST /api/clicks HTTP/1.1\r\nHost: slow\r\nX-Slow: ",
    "body": b"POST /api/clicks HTTP/1.1\r\nHost: slow\r\nContent-Length: 4000\r\n\r\n",
    "chunk": b"POST /api/clicks HTTP/1.1\r\nHost: slow\r\nTransfer-Encoding: chunked\r\n\r\nfa0\r\n",
}


class SlowClients:
    """Clients that drip a head or a body for ever, in a thread of their own. Whoever is cut off comes back."""

    def __init__(self, address, count):
        self.address = address
        self.cuts = []          # (kind, seconds it lasted, status, or 0 without an answer)
        self._poll = select.poll()
        self._open = {}         # fd -> (socket, kind, when it was opened)
        self._done = threading.Event()
        for i in range(count):
            self._connect(list(HEADS)[i % len(HEADS)])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _connect(self, kind):
        s = socket.create_connection(self.address, timeout=30 * SLOW)
        s.sendall(HEADS[kind])
        self._open[s.fileno()] = (s, kind, time.monotonic())
        self._poll.register(s, select.POLLIN)

    def _cut(self, fd):
        s, kind, opened = self._open.pop(fd)
        self._poll.unregister(fd)
        data = b""
        with contextlib.suppress(OSError):
            data = s.recv(4096)
        s.close()
        self.cuts.append((kind, time.monotonic() - opened, int(data[9:12]) if data else 0))
        self._connect(kind)

    def _run(self):
        next_byte = time.monotonic() + BYTE_EVERY
        while not self._done.is_set():
            for fd, _ in self._poll.poll(max(0, 1000 * (next_byte - time.monotonic()))):
                self._cut(fd)
            if time.monotonic() >= next_byte:
                next_byte += BYTE_EVERY
                for s, _, _ in self._open.values():
                    with contextlib.suppress(OSError):
                        s.send(b"a")

    def close(self):
        """Stop and close all connections."""
        self._done.set()
        self._thread.join()
        for s, _, _ in self._open.values():
            s.close()


class Health:
    """Asks both health pages ten times a second, in a thread of its own, each time on a new connection."""

    def __init__(self, server):
        self.server, self.seconds, self.problems = server, [], []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._done.wait(0.1):
            for page in ("/livez", "/readyz"):
                started = time.monotonic()
                try:
                    status = requests.get(self.server.admin + page, timeout=STARVED * SLOW).status_code
                    if status != 200:
                        self.problems.append((page, status))
                except requests.RequestException as error:
                    self.problems.append((page, error))
                self.seconds.append(time.monotonic() - started)

    def close(self):
        """Stop asking."""
        self._done.set()
        self._thread.join()


def run_together(world, server, good, slow, seconds):
    """Let so many good and slow clients run; check that the good ones and the health pages are fine. The cuts."""
    host, port = server.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        slow_clients = SlowClients((host, int(port)), slow)
        stack.callback(slow_clients.close)
        health = Health(server)
        stack.callback(health.close)
        crowd = Crowd((host, int(port)), good)
        stack.callback(crowd.close)
        crowd.run(seconds)
    longest = max(latency for _, latency in crowd.latencies)
    print(f"{crowd.accepted} clicks, the longest took {longest:.3f} s; {crowd.reopened} connections opened again; "
          f"{len(slow_clients.cuts)} slow clients cut off; slowest health page {max(health.seconds):.3f} s")
    assert not crowd.errors, f"{len(crowd.errors)} errors, such as: {crowd.errors[:3]}"
    assert len(crowd.served) == good and min(crowd.served.values()) >= 1, "every good client is served"
    assert longest < STARVED * SLOW
    assert not health.problems, health.problems[:3]
    assert max(health.seconds) < 2 * SLOW
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM click_events") == [(crowd.accepted,)]
    return slow_clients.cuts


def test_slow_clients_are_cut_off_in_time(world):
    """With workers enough, each slow client is answered 408 at HTTP_REQUEST_TIMEOUT_MS, whatever it drips."""
    server = world.serve(HTTP_WORKERS=400, HTTP_REQUEST_TIMEOUT_MS=3000, **PATIENT)
    cuts = run_together(world, server, good=200, slow=60, seconds=8)
    assert {kind for kind, _, _ in cuts} == set(HEADS)
    assert all(status == 408 for _, _, status in cuts), [cut for cut in cuts if cut[2] != 408][:3]
    assert min(held for _, held, _ in cuts) > 2.9
    assert max(held for _, held, _ in cuts) < 3 + 2 * SLOW


def test_more_slow_clients_than_workers(world):
    """Slow clients alone are more than the workers: they are cut off sooner, and the good ones get their turn."""
    server = world.serve(HTTP_WORKERS=64, **PATIENT)
    cuts = run_together(world, server, good=100, slow=90, seconds=6)
    assert cuts and all(status == 408 for _, _, status in cuts), [cut for cut in cuts if cut[2] != 408][:3]
    assert min(held for _, held, _ in cuts) > 2.9, "even now a client has some time"
    assert min(held for _, held, _ in cuts) < 10 * SLOW, "well before HTTP_REQUEST_TIMEOUT_MS"


def test_idle_connections_to_the_admin_port(world):
    """Scrapers that keep their connections, and some that send nothing, do not keep health from answering."""
    server = world.serve(HTTP_REQUEST_TIMEOUT_MS=3000)
    host, port = server.admin.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(14):
            stack.enter_context(socket.create_connection((host, int(port))))
        for _ in range(20):
            session = stack.enter_context(requests.Session())
            session.trust_env = False
            assert session.get(server.admin + "/livez", timeout=STARVED * SLOW).status_code == 200
