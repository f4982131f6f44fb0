"""Events at a fixed rate, sent in batches at times fixed beforehand, and the waiting for one to become visible."""

import contextlib
import datetime
import http.client
import json
import random
import threading
import time
import uuid

from bench_rig import BenchError

CAMPAIGNS = 20
SENDERS = 4
EVERY_SECONDS = 0.02
BODIES = 8
CONVERSION_EVERY = 20


def rfc3339_now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


def campaign_id(n):
    """The campaigns of wrk.lua and of limits/feed.c."""
    return f"10adbe57-0000-4000-8000-{n:012x}"


def _event(rng, number, when):
    fields = {"campaign_id": campaign_id(rng.randrange(CAMPAIGNS)), "source": "newsletter",
              "user_id": str(uuid.UUID(int=rng.getrandbits(128), version=4))}
    if number % CONVERSION_EVERY == CONVERSION_EVERY - 1:
        return fields | {"event": "conversion", "conversion_date": when, "type": "purchase",
                         "value": rng.randrange(200)}
    return fields | {"event": "click", "click_date": when}


def percentile(values, share):
    """Of sorted values; None for none."""
    return values[min(len(values) - 1, int(len(values) * share))] if values else None


class Pacer:
    """Sends `rate` events a second until it is stopped. Ids are the server's, so that every event is fresh."""

    def __init__(self, listen, rate):
        self.listen, self.sent, self.times_ms, self.problem = listen, 0, [], None
        self.accepted = 0.0  # a second, once it is stopped
        self._size = max(1, round(rate * EVERY_SECONDS))
        self._every = self._size / rate
        rng = random.Random(1)
        when = rfc3339_now()
        self._bodies = [json.dumps([_event(rng, i, when) for i in range(b, b + self._size)]) for b in range(BODIES)]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        try:
            connection = http.client.HTTPConnection(self.listen, timeout=30)
            with contextlib.closing(connection):
                turn = number
                while not self._stop.is_set():
                    self._stop.wait(max(0.0, self._began + turn * self._every - time.monotonic()))
                    self._send(connection, turn)
                    turn += SENDERS
        except (OSError, http.client.HTTPException, BenchError) as error:
            self.problem = error

    def _send(self, connection, turn):
        due = self._began + turn * self._every
        connection.request("POST", "/api/events/batch", self._bodies[turn % BODIES],
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or not body.startswith(b'{"status":"success"'):
            raise BenchError(f"a batch was answered {answer.status}: {body[:200].decode(errors='replace')}")
        with self._lock:
            self.sent += self._size
            self.times_ms.append((time.monotonic() - due) * 1000)

    def stop(self):
        """Stop; BenchError if a batch was refused."""
        self.accepted = self.sent / (time.monotonic() - self._began)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.problem is not None:
            raise BenchError(f"sending at a fixed rate failed: {self.problem}")


@contextlib.contextmanager
def pace(listen, rate):
    """A Pacer around a block of code; rate 0: none."""
    if not rate:
        yield None
        return
    pacer = Pacer(listen, rate)
    try:
        yield pacer
    except BaseException:
        with contextlib.suppress(BenchError):
            pacer.stop()
        raise
    pacer.stop()


class Probe:
    """Sends one click at a time to a campaign of its own and waits until statistics count it."""

    GIVE_UP_SECONDS = 30
    POLL_SECONDS = 0.002

    def __init__(self, listen, seconds):
        self.times_ms, self.problem = [], None
        self._campaign = str(uuid.uuid4())
        self._connection = http.client.HTTPConnection(listen, timeout=30)
        self._until = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _fetch(self, method, path, body=None):
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def _count(self):
        status, body = self._fetch("GET", f"/api/campaigns/statistics?campaign_id={self._campaign}&group_by=daily")
        if status == 404:
            return 0
        if status != 200:
            raise BenchError(f"statistics were answered {status}: {body[:200].decode(errors='replace')}")
        return sum(row["total_clicks"] for row in json.loads(body)["data"])

    def _run(self):
        try:
            sent = 0
            while time.monotonic() < self._until:
                sent += 1
                took = self._one(sent)
                if sent > 1:  # the first one makes the campaign
                    self.times_ms.append(took)
        except (OSError, http.client.HTTPException, BenchError) as error:
            self.problem = error
        finally:
            self._connection.close()

    def _one(self, wanted):
        click = {"campaign_id": self._campaign, "user_id": str(uuid.uuid4()), "source": "probe",
                 "click_date": rfc3339_now()}
        status, body = self._fetch("POST", "/api/events/click", json.dumps(click))
        accepted = time.monotonic()
        if status != 201:
            raise BenchError(f"a click was answered {status}: {body[:200].decode(errors='replace')}")
        while self._count() < wanted:
            if time.monotonic() > accepted + self.GIVE_UP_SECONDS:
                raise BenchError(f"a click was not visible after {self.GIVE_UP_SECONDS} s")
            time.sleep(self.POLL_SECONDS)
        return (time.monotonic() - accepted) * 1000

    def result(self):
        """The times until visible in ms, when it is done."""
        self._thread.join()
        if self.problem is not None:
            raise BenchError(f"the probe for freshness failed: {self.problem}")
        return self.times_ms
