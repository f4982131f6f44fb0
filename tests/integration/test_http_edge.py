"""HTTP at its edges, spoken by hand: methods, bodies, lengths, chunks, time limits, and what follows them."""

import json
import re
import select
import socket
import time

import pytest

from harness import SLOW, click_body, eventually, new_id

TIMEOUT_MS = 1000
HOST = "Host: localhost\r\n"
CLICKS = "/api/clicks"
STATISTICS = "/api/campaigns/statistics"


@pytest.fixture(scope="module")
def server(module_world):
    """A program that waits only a second for a request, and serves without limits of its number of clients."""
    return module_world.serve(HTTP_REQUEST_TIMEOUT_MS=int(TIMEOUT_MS * SLOW), HTTP_WORKERS=100)


class Answer:
    """A response as it came."""

    def __init__(self, head, body):
        first, *lines = head.decode("ascii").split("\r\n")
        self.version, status, self.reason = first.split(" ", 2)
        self.status = int(status)
        self.fields = {}
        for line in lines:
            name, value = line.split(": ", 1)
            assert name.lower() not in self.fields, f"{name} stands twice"
            self.fields[name.lower()] = value
        self.body = body

    def json(self):
        """The body, which must be JSON."""
        assert self.fields["content-type"] == "application/json", self.fields
        return json.loads(self.body)

    @property
    def closes(self):
        """Does it say that the connection ends?"""
        return self.fields["connection"] == "close"


class Client:
    """One connection to the API, on which bytes are written and answers read."""

    def __init__(self, server, admin=False):
        host, port = (server.admin if admin else server.url).removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=15 * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        """Send texts and bytes."""
        self.socket.sendall(b"".join(p.encode() if isinstance(p, str) else p for p in parts))
        return self

    def _more(self):
        data = self.socket.recv(65536)
        assert data, f"the connection ended after {self.buffer!r}"
        self.buffer += data

    def read(self, head_only=False):
        """The next answer; an error must have the one form that errors have."""
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        answer = Answer(head, b"")
        if answer.status == 100:
            return answer
        length = 0 if head_only else int(answer.fields["content-length"])
        while len(self.buffer) < length:
            self._more()
        answer.body, self.buffer = self.buffer[:length], self.buffer[length:]
        if answer.status >= 400 and not head_only:
            check_error(answer)
        return answer

    def ends(self, timeout=5):
        """Has the server ended the connection, with nothing more on it?"""
        self.socket.settimeout(timeout * SLOW)
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return self.buffer == b""
        except TimeoutError:
            return False

    def is_silent(self, seconds=0.3):
        """Does nothing more come, though the connection is open?"""
        return self.buffer == b"" and not select.select([self.socket], [], [], seconds)[0]


def check_error(answer):
    """Every error is JSON of the same form."""
    body = answer.json()
    assert body["status"] == "error"
    assert set(body) <= {"status", "error", "click_id", "conversion_id"}, body
    assert list(body["error"]) == ["code", "field", "message"], body
    assert re.fullmatch("[a-z_]+", body["error"]["code"])
    assert body["error"]["field"] is None or isinstance(body["error"]["field"], str)
    assert body["error"]["message"]


def post(path, body, *fields, length=True):
    """A POST as bytes."""
    if isinstance(body, dict):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body, size=7):
    """A body in chunks."""
    if isinstance(body, dict):
        body = json.dumps(body)
    body = body.encode() if isinstance(body, str) else body
    chunks = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"


def one(server, *parts):
    """Send this on a connection of its own and read the one answer."""
    with Client(server) as client:
        return client.send(*parts).read()


def refused(server, *parts, status=400):
    """The same for something that must be refused and end the connection, with nothing behind the answer."""
    with Client(server) as client:
        answer = client.send(*parts).read()
        assert answer.status == status, (parts, answer.status, answer.body)
        assert answer.closes, (parts, answer.fields)
        assert client.ends(), f"{parts}: something follows the answer"
        return answer


@pytest.mark.parametrize("path", ["/", "/api", "/api/", "/api/clicks/", "/API/clicks", "/api//clicks", "/api/clicks%20",
                                  "/metrics", "/livez", "/readyz", "/api/clicks;x", "/../etc/passwd", "/%00",
                                  "/api/../api/clicks"])
def test_unknown_paths_are_404(server, path):
    """A path that is none of ours is 404, whatever the method, and the connection goes on."""
    with Client(server) as client:
        for method in ("GET", "POST"):
            fields = "Content-Length: 0\r\n" if method == "POST" else ""
            answer = client.send(f"{method} {path} HTTP/1.1\r\n{HOST}{fields}\r\n").read()
            assert answer.status == 404, (method, path, answer.body)
            assert answer.json()["error"]["code"] == "not_found"
            assert not answer.closes


def test_other_methods_are_405(server):
    """A known path with another method is 405 and says which methods are allowed."""
    for path, allow in ((CLICKS, "POST"), ("/api/events/click", "POST"), ("/api/conversions", "POST"),
                        ("/api/events/batch", "POST"), ("/api/campaigns/journal", "POST"),
                        (STATISTICS, "GET, HEAD"), ("/api/campaign-statistics", "GET, HEAD")):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            if method in allow:
                continue
            with Client(server) as client:
                client.send(f"{method} {path} HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n")
                answer = client.read(head_only=method == "HEAD")
            assert (answer.status, answer.fields["allow"]) == (405, allow), (method, path)
            if method != "HEAD":
                assert answer.json()["error"]["code"] == "method_not_allowed"
    with Client(server, admin=True) as client:
        answer = client.send(f"POST /metrics HTTP/1.1\r\n{HOST}Content-Length: 0\r\n\r\n").read()
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")


def test_media_types(server):
    """JSON in UTF-8 is understood under its names or without one; everything else is 415."""
    body = json.dumps(click_body())
    for field in ("Content-Type: application/json", "content-type:application/json;charset=utf-8",
                  "CONTENT-TYPE:  Application/JSON ; charset=UTF-8", "X-Nothing: 1", "Content-Type:"):
        answer = one(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}{field}\r\nContent-Length: {len(body)}\r\n\r\n", body)
        assert answer.status == 201, (field, answer.body)
    for field in ("Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded",
                  "Content-Type: application/jsonx", "Content-Type: multipart/form-data; boundary=x",
                  "Content-Type: application/x-ndjson", "Content-Type: application/json, text/plain",
                  "Content-Encoding: br", "Content-Encoding: gzip, gzip", "Content-Encoding: deflate"):
        answer = one(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}{field}\r\nContent-Length: {len(body)}\r\n\r\n", body)
        assert answer.status == 415, (field, answer.body)
        assert answer.json()["error"]["code"] == "unsupported_media_type"


def test_large_body_by_length_is_413(server):
    """A Content-Length beyond the limit is 413 before the body is sent; one byte less is accepted."""
    answer = refused(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}Content-Length: 65537\r\n\r\n", status=413)
    assert answer.json()["error"]["code"] == "too_large"
    refused(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}Content-Length: 999999999999999999\r\n\r\n", status=413)
    body = json.dumps(click_body())
    assert one(server, post(CLICKS, body + " " * (65536 - len(body)))).status == 201


def test_large_chunked_body_is_413(server):
    """A body in chunks is 413 as soon as it exceeds the limit, though more may come."""
    head = f"POST {CLICKS} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
    body = json.dumps(click_body())
    assert one(server, head, chunked(body + " " * (65536 - len(body)), 4096)).status == 201
    refused(server, head, b"20000\r\n" + b" " * 65537, status=413)
    answer = refused(server, head, (b"1000\r\n" + b" " * 4096 + b"\r\n") * 17, status=413)
    assert answer.json()["error"]["code"] == "too_large"


def test_chunked_bodies_work(server):
    """Bodies in chunks of any size are accepted, and further requests follow on the connection."""
    head = f"POST {CLICKS} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n"
    with Client(server) as client:
        for size in (1, 2, 7, 100, 5000):
            wanted = new_id()
            answer = client.send(head, chunked(click_body(click_id=wanted), size)).read()
            assert (answer.status, answer.json()["click_id"]) == (201, wanted)
        body = json.dumps(click_body()).encode()
        client.send(head.replace("chunked", "Chunked"), b"%X\r\n%s\r\n" % (len(body), body))
        assert client.is_silent(0.1), "the last chunk has not come"
        assert client.send(b"0\r\n\r\n").read().status == 201


@pytest.mark.parametrize("chunks", [
    b"zz\r\n", b"-1\r\n", b"\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n", b"7fffffffffffffff\r\n", b" 5\r\nabcde\r\n0\r\n\r\n"], ids=repr)
def test_bad_chunks_are_400(server, chunks):
    """Chunks that are malformed are 400, or 413 where they are only too large, and end the connection."""
    with Client(server) as client:
        client.send(f"POST {CLICKS} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n", chunks, b"\r\n" * 4)
        answer = client.read()
        assert answer.status in (400, 408, 413), answer.body
        assert answer.closes and client.ends()


@pytest.mark.parametrize("fields", [
    "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
    "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5abc",
    "Content-Length: abc", "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5", "Content-Length: 5, 5",
    "Content-Length: 5 5", "Content-Length:", "Content-Length: 5.0", "Content-Length: 99999999999999999999",
    "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity", "Transfer-Encoding: xchunked", "Transfer-Encoding:",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 0"])
def test_unclear_bodies_are_400(server, fields):
    """A head that leaves in doubt where its body ends is 400, and what follows is not taken for a request."""
    answer = refused(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}{fields}\r\n\r\n"
                             f"0\r\n\r\nGET /smuggled HTTP/1.1\r\n{HOST}\r\n")
    assert answer.json()["error"]["code"] == "bad_request"


def test_chunks_need_http_1_1(server):
    """Transfer-Encoding in HTTP/1.0 is 400."""
    refused(server, f"POST {CLICKS} HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


def test_head(server):
    """HEAD answers as GET does, without the body."""
    campaign = new_id()
    server.click(campaign_id=campaign)
    eventually(lambda: server.get(STATISTICS, campaign_id=campaign).json().get("data"), 5)
    target = f"{STATISTICS}?campaign_id={campaign}&from=2025-01-01&to=2025-01-02"
    eventually(lambda: server.get(target).json()["sources"] == ["cache"], 5)    # then answers stay the same
    with Client(server) as client:
        got = client.send(f"GET {target} HTTP/1.1\r\n{HOST}\r\n").read()
        head = client.send(f"HEAD {target} HTTP/1.1\r\n{HOST}\r\n").read(head_only=True)
        assert (head.status, head.fields["content-length"]) == (200, got.fields["content-length"])
        assert client.is_silent(0.1)
        missing = client.send(f"HEAD /nothing HTTP/1.1\r\n{HOST}\r\n").read(head_only=True)
        assert missing.status == 404
        assert client.send(f"GET {target} HTTP/1.1\r\n{HOST}\r\n").read().body == got.body


def test_keep_alive(server):
    """Many requests go over one connection, until the client says that it ends."""
    with Client(server) as client:
        for _ in range(20):
            answer = client.send(post(CLICKS, click_body())).read()
            assert (answer.status, answer.fields["connection"]) == (201, "keep-alive")
        answer = client.send(post(CLICKS, click_body(), "Connection: close")).read()
        assert answer.status == 201 and answer.closes and client.ends()
    for version, field, kept in (("1.0", "", False), ("1.0", "Connection: keep-alive\r\n", True),
                                 ("1.1", "Connection: Keep-Alive\r\n", True), ("1.1", "Connection: Close\r\n", False)):
        with Client(server) as client:
            answer = client.send(f"GET /nothing HTTP/{version}\r\n{HOST}{field}\r\n").read()
            assert answer.closes == (not kept), (version, field)
            assert client.is_silent(0.1) if kept else client.ends()


def test_pipelining(server):
    """Requests sent at once are answered one after the other, in their order, with bodies of both kinds."""
    ids = [new_id() for _ in range(12)]
    parts = []
    for i, wanted in enumerate(ids):
        body = click_body(click_id=wanted)
        parts.append(post(CLICKS, chunked(body), "Transfer-Encoding: chunked", length=False) if i % 3 == 1 else
                     post(CLICKS, body))
        if i % 4 == 3:
            parts.append(f"GET /nothing HTTP/1.1\r\n{HOST}\r\n".encode())
        if i % 4 == 2:
            parts.append(post(CLICKS, "[]"))
    with Client(server) as client:
        client.send(*parts)
        for i, wanted in enumerate(ids):
            answer = client.read()
            assert (answer.status, answer.json()["click_id"]) == (201, wanted)
            if i % 4 == 3:
                assert client.read().status == 404
            if i % 4 == 2:
                assert client.read().status == 400
        assert client.is_silent(0.1)


def test_one_request_byte_by_byte(server):
    """A request that arrives in single bytes is a request like any other."""
    request = post(CLICKS, {"click_id": new_id(), **click_body()})
    with Client(server) as client:
        for i in range(len(request)):
            client.send(request[i:i + 1])
        assert client.read().status == 201


def test_a_body_is_never_a_request(server):
    """The body of a request that was refused unread is not taken for the next request."""
    smuggled = f"GET {STATISTICS}?campaign_id={new_id()} HTTP/1.1\r\n{HOST}\r\n"
    for target, field in (("POST /nothing", "X: 1"), (f"PUT {CLICKS}", "X: 1"), (f"GET {STATISTICS}", "X: 1"),
                          (f"POST {CLICKS}", "Content-Type: text/plain"), (f"POST {CLICKS}", "Content-Encoding: br"),
                          (f"POST {CLICKS}", "Expect: something")):
        with Client(server) as client:
            client.send(f"{target} HTTP/1.1\r\n{HOST}{field}\r\nContent-Length: {len(smuggled)}\r\n\r\n{smuggled}")
            answer = client.read()
            assert answer.status in (400, 404, 405, 415, 417), answer.body
            assert client.ends() if answer.closes else client.is_silent(), (target, field)


def test_slow_body_is_408(server):
    """A body that does not come in time is 408, and the connection ends soon after the limit."""
    body = json.dumps(click_body())
    for head in (f"Content-Length: {len(body)}\r\n\r\n{body[:-5]}",
                 f"Transfer-Encoding: chunked\r\n\r\n5\r\n{body[:5]}\r\n"):
        started = time.monotonic()
        answer = refused(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}{head}", status=408)
        assert answer.json()["error"]["code"] == "request_timeout"
        assert 0.9 * TIMEOUT_MS <= (time.monotonic() - started) * 1000 / SLOW <= 2.5 * TIMEOUT_MS


def test_dripping_body_is_408(server):
    """A body that keeps coming, one byte at a time, has no longer than the limit either."""
    body = json.dumps(click_body())
    with Client(server) as client:
        started = time.monotonic()
        client.send(f"POST {CLICKS} HTTP/1.1\r\n{HOST}Content-Length: 5000\r\n\r\n", body)
        while client.is_silent(0.1):
            assert time.monotonic() - started < 5 * SLOW, "no answer"
            client.send(" ")
        assert client.read().status == 408
        assert time.monotonic() - started < 2.5 * SLOW


@pytest.mark.parametrize("start", ["", "GET /not", f"POST {CLICKS} HTTP/1.1\r\nHost: loc"],
                         ids=["none", "line", "field"])
def test_slow_head_does_not_hold_a_worker(server, start):
    """A head that does not come in time ends the connection, with an error if anything had come."""
    with Client(server) as client:
        started = time.monotonic()
        client.send(start)
        client.socket.settimeout(10 * SLOW)
        data = b""
        while chunk := client.socket.recv(4096):
            data += chunk
        assert time.monotonic() - started < 4 * SLOW
        assert data == b"" or data.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")), data


def test_a_client_that_leaves(server):
    """Clients that leave in the middle of a request disturb nobody and store nothing."""
    before = server.metrics()['tyr_accepted_total{outcome="accepted"}']
    body = json.dumps(click_body())
    for part in (f"POST {CLICKS} HT", f"POST {CLICKS} HTTP/1.1\r\n{HOST}Content-Length: {len(body)}\r\n\r\n{body[:20]}",
                 f"POST {CLICKS} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nab"):
        for _ in range(10):
            with Client(server) as client:
                client.send(part)
    with Client(server) as client:
        client.send(f"POST {CLICKS} HTTP/1.1\r\n{HOST}Content-Length: {len(body)}\r\n\r\n{body[:20]}")
        client.socket.shutdown(socket.SHUT_WR)
        answer = client.read()
        assert answer.status == 400 and answer.closes
    server.click()
    assert server.metrics()['tyr_accepted_total{outcome="accepted"}'] == before + 1
    eventually(lambda: server.metrics()["tyr_http_connections"] <= 1, 5, "the connections are closed")


def test_expect_100_continue(server):
    """A client that waits for 100 Continue gets it, and only where its body is wanted."""
    body = json.dumps(click_body())
    head = f"POST {CLICKS} HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: "
    with Client(server) as client:
        for _ in range(2):
            assert client.send(f"{head}{len(body)}\r\n\r\n").read().status == 100
            assert client.send(body).read().status == 201
        assert client.is_silent(0.1)
    refused(server, f"{head}70000\r\n\r\n", status=413)
    refused(server, f"POST {CLICKS} HTTP/1.1\r\n{HOST}Expect: magic\r\nContent-Length: 5\r\n\r\n", status=417)
    answer = refused(server, f"POST /nothing HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
                     status=404)
    assert answer.json()["error"]["code"] == "not_found"


def test_bad_heads(server):
    """Heads that cannot be read are refused in JSON, and the connection ends."""
    for text in ("hello\r\n\r\n", "GET /api\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", f"GET / HTTP/2.0\r\n{HOST}\r\n",
                 f"GE\x01T / HTTP/1.1\r\n{HOST}\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
                 f"GET /a b HTTP/1.1\r\n{HOST}\r\n", f"GET / HTTP/1.1\r\n{HOST}no colon here\r\n\r\n",
                 f"BREW / HTTP/1.1\r\n{HOST}\r\n"):
        with Client(server) as client:
            answer = client.send(text).read()
            assert 400 <= answer.status < 600 and answer.status != 500, (text, answer.status)
            assert answer.closes and client.ends(), text
    for fields in ("".join(f"X-{i}: 1\r\n" for i in range(200)), f"X-Long: {'a' * 20000}\r\n",
                   "".join(f"X-{i}: {'a' * 500}\r\n" for i in range(60))):
        answer = one(server, f"GET /nothing HTTP/1.1\r\n{HOST}{fields}\r\n")
        assert answer.status in (400, 431) and answer.closes, (fields[:100], answer.status)
    assert one(server, f"GET /{'a' * 20000} HTTP/1.1\r\n{HOST}\r\n").status in (400, 431)


def test_query_strings(server):
    """Parameters are percent-decoded strictly; an absolute URL names the same path."""
    campaign = new_id()
    server.click(campaign_id=campaign)
    eventually(lambda: server.get(STATISTICS, campaign_id=campaign).json().get("data"), 5)
    escaped = "".join(f"%{ord(c):02x}" for c in campaign)
    for target in (f"{STATISTICS}?campaign%5Fid={escaped}", f"{STATISTICS}?&&group_by=daily&campaign_id={campaign}&",
                   f"{STATISTICS}?campaign_id={campaign.upper()}", f"{server.url}{STATISTICS}?campaign_id={campaign}"):
        assert one(server, f"GET {target} HTTP/1.1\r\n{HOST}\r\n").status == 200, target
    for query in (f"campaign_id={campaign}%", f"campaign_id={campaign}%4", f"campaign_id={campaign}%zz", "%ff=1",
                  f"campaign_id={campaign}&to=2025-01-01&to=2025-01-01", f"campaign_id={campaign}#x"):
        answer = one(server, f"GET {STATISTICS}?{query} HTTP/1.1\r\n{HOST}\r\n")
        assert answer.status == 400, (query, answer.body)


def test_dates_and_lengths_of_answers(server):
    """Every answer carries a date, its exact length and no field twice."""
    for answer in (one(server, f"GET /nothing HTTP/1.1\r\n{HOST}\r\n"), one(server, post(CLICKS, click_body()))):
        assert re.fullmatch(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT", answer.fields["date"])
        assert answer.version == "HTTP/1.1"
        assert int(answer.fields["content-length"]) == len(answer.body)
