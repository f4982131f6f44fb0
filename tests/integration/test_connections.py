"""More clients than workers, and ten thousand clients at once."""

import heapq
import json
import os
import random
import resource
import select
import socket
import threading
import time

import pytest
import requests

from harness import SLOW, click_body, eventually, new_id, rfc3339, now

CLIENTS = 10000
SECONDS = 10
RAMP_SECONDS = 4
PAUSE = (1, 3)
PATIENCE = 20


def test_more_clients_than_workers(world):
    """A hundred keep-alive clients on 32 workers are all served for seconds, without an error."""
    server = world.serve(HTTP_WORKERS=32)
    clients, requests_each = 100, 8
    accepted, errors = [], []
    start = threading.Barrier(clients)

    def run():
        session = requests.Session()
        try:
            start.wait(30)
            for _ in range(requests_each):
                body = click_body(click_id=new_id())
                response = session.post(server.url + "/api/clicks", json=body, timeout=PATIENCE * SLOW)
                assert response.status_code == 201, response.text
                accepted.append(body["click_id"])
                time.sleep(random.uniform(0.1, 0.5))  # a client that thinks, and keeps its connection
        except (OSError, AssertionError, requests.RequestException, threading.BrokenBarrierError) as error:
            errors.append(error)
        finally:
            session.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, f"{len(errors)} of {clients} clients failed, such as: {errors[0]!r}"
    assert len(set(accepted)) == clients * requests_each
    assert server.metrics()["tyr_http_closed_busy_total"] > 0
    world.wait_processed()
    assert {str(row[0]) for row in world.sql("SELECT click_id FROM click_events")} == set(accepted)


def raise_file_limit(wanted):
    """Let this process, and those it starts, open so many files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
    except (ValueError, OSError):
        pytest.fail(f"this test needs {wanted} open files and the hard limit is {hard}: raise it (ulimit -Hn {wanted})")


class Crowd:
    """Many keep-alive clients in one thread: each sends a click, waits for its answer, pauses, and goes on."""

    def __init__(self, address, clients):
        self.address, self.clients = address, clients
        self.epoll = select.epoll()
        self.sockets = {}        # fd -> socket
        self.pending = {}        # fd -> bytes of the answer so far
        self.sent_at = {}        # fd -> when its request was sent
        self.clients_of = {}     # fd -> number of its client
        self.served = {}         # number of a client -> how many answers
        self.due = []            # heap of (when, fd, or -1 - client where a connection is to be opened)
        self.latencies, self.errors = [], []
        self.accepted = 0
        self.reopened = 0
        self.ramped = 0          # when all clients had come
        self.campaign, self.date = new_id(), rfc3339(now())

    def _open(self, client):
        s = socket.socket()
        s.setblocking(False)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.connect_ex(self.address)
        fd = s.fileno()
        self.sockets[fd] = s
        self.served.setdefault(client, 0)
        self.clients_of[fd] = client
        self.pending[fd] = b""
        self.epoll.register(fd, select.EPOLLOUT)

    def _close(self, fd):
        self.epoll.unregister(fd)
        self.sockets.pop(fd).close()
        self.pending.pop(fd)
        self.sent_at.pop(fd, None)
        return self.clients_of.pop(fd)

    def _fail(self, fd, why):
        self.errors.append(why)
        self._close(fd)

    def _request(self):
        body = json.dumps({"click_id": new_id(), "campaign_id": self.campaign, "user_id": new_id(),
                           "click_date": self.date, "source": "crowd"})
        return (f"POST /api/clicks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def _send(self, fd, at):
        data = self._request()
        try:
            sent = self.sockets[fd].send(data)
        except OSError as error:
            return self._fail(fd, f"sending: {error}")
        assert sent == len(data), "a request fits into the socket's buffer"
        self.sent_at[fd] = at
        return None

    def _receive(self, fd, at):
        try:
            data = self.sockets[fd].recv(4096)
        except OSError as error:
            return self._fail(fd, f"receiving: {error}")
        if not data:
            return self._fail(fd, "the connection ended" + (" before the answer" if fd in self.sent_at else ""))
        self.pending[fd] += data
        head, _, body = self.pending[fd].partition(b"\r\n\r\n")
        if b"Content-Length: " not in head or \
                len(body) < int(head.split(b"Content-Length: ", 1)[1].split(b"\r\n", 1)[0]):
            return None
        self.pending[fd] = b""
        self.latencies.append((at, at - self.sent_at.pop(fd)))
        if not head.startswith(b"HTTP/1.1 201 "):
            return self._fail(fd, f"{head.splitlines()[0]!r} {body!r}")
        self.accepted += 1
        self.served[self.clients_of[fd]] += 1
        if b"Connection: close" in head:
            self.reopened += 1
            heapq.heappush(self.due, (at + random.uniform(*PAUSE), -1 - self._close(fd)))
        else:
            heapq.heappush(self.due, (at + random.uniform(*PAUSE), fd))
        return None

    def _connected(self, fd):
        error = self.sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            return self._fail(fd, f"connecting: {os.strerror(error)}")
        self.epoll.modify(fd, select.EPOLLIN)
        return self._send(fd, time.monotonic())

    def run(self, seconds):
        """Let all clients connect, send for so many seconds, and wait for the last answers."""
        start = time.monotonic()
        self.due = [(start + RAMP_SECONDS * SLOW * i / self.clients, -1 - i) for i in range(self.clients)]
        self.ramped = start + RAMP_SECONDS * SLOW + 1
        end = start + RAMP_SECONDS * SLOW + seconds
        overdue = end + PATIENCE * SLOW
        while True:
            at = time.monotonic()
            while self.due and self.due[0][0] <= at:
                _, which = heapq.heappop(self.due)
                if at >= end:
                    continue
                if which < 0:
                    self._open(-1 - which)
                elif which in self.sockets:
                    self._send(which, at)
            if at >= end and not self.sent_at or at >= overdue:
                break
            wait = max(0.0, min(self.due[0][0] - at if self.due else 0.05, 0.05))
            for fd, events in self.epoll.poll(wait, 1024):
                if events & select.EPOLLOUT:
                    self._connected(fd)
                else:
                    self._receive(fd, time.monotonic())
        self.errors += ["no answer"] * len(self.sent_at)

    def close(self):
        """Close all connections."""
        for fd in list(self.sockets):
            self._close(fd)
        self.epoll.close()


@pytest.mark.no_sanitizer
def test_ten_thousand_clients(world):
    """Ten thousand keep-alive clients that send a click every few seconds are all served; /metrics stays quick."""
    raise_file_limit(CLIENTS + 2000)
    server = world.serve(HTTP_WORKERS=None)
    host, port = server.url.removeprefix("http://").split(":")
    crowd = Crowd((host, int(port)), CLIENTS)
    scrapes, problems, connections = [], [], []
    done = threading.Event()

    def scrape():
        while not done.wait(0.5):
            started = time.monotonic()
            try:
                connections.append(server.metrics()["tyr_http_connections"])
                scrapes.append(time.monotonic() - started)
            except (requests.RequestException, AssertionError, KeyError) as error:
                problems.append(error)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        crowd.run(SECONDS)
    finally:
        done.set()
        scraper.join()
        crowd.close()
    latencies = sorted(latency for when, latency in crowd.latencies if when > crowd.ramped)
    at = {p: 1000 * latencies[min(len(latencies) - 1, int(len(latencies) * p))] for p in (0.5, 0.99, 0.999)}
    print(f"{crowd.accepted} clicks, ms at p50 {at[0.5]:.1f}, p99 {at[0.99]:.1f}, p99.9 {at[0.999]:.1f}; "
          f"{crowd.reopened} connections opened again; slowest scrape {1000 * max(scrapes):.0f} ms; "
          f"{max(connections):.0f} connections, {server.rss() >> 20} MiB")
    assert not crowd.errors, f"{len(crowd.errors)} errors, such as: {crowd.errors[:3]}"
    assert len(crowd.served) == CLIENTS and min(crowd.served.values()) >= 1, "every client is served"
    assert crowd.accepted >= CLIENTS * SECONDS / PAUSE[1]
    assert not problems, problems[:3]
    assert max(scrapes) < 1, "/metrics answers within a second"
    world.wait_processed()
    stored = world.sql("SELECT count(*) FROM click_events WHERE campaign_id = %s", crowd.campaign)
    assert stored == [(crowd.accepted,)]
    eventually(lambda: server.metrics()["tyr_http_connections"] == 0, 30, "all connections are closed")
