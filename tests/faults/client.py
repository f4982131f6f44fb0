"""
One HTTP connection to the program that keeps the ledger right.

Every answer is judged here: which events it acknowledged, which may be sent again, and which answer is one
that no event of ours should ever get.
"""

import http.client
import json

TIMEOUT_S = 2       # beyond ACK_TIMEOUT_MS, and a frozen instance must not hold a client for long


class Client:
    """Sends events to one instance after the other; one thread at a time."""

    def __init__(self, ledger):
        self._ledger = ledger
        self._connection = None
        self._address = None

    def send(self, address, events):
        """Send events, one by itself or several as a batch; those that were not acknowledged."""
        self._ledger.sending(events)
        try:
            if len(events) == 1:
                return self._send_one(address, events[0])
            return self._send_batch(address, events)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return list(events)

    def get(self, address, path):
        """Status and parsed body of a GET; (0, None) where there was no answer."""
        try:
            return self._request(address, "GET", path)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, None

    def is_broken(self):
        """Was there no answer the last time?"""
        return self._connection is None

    def close(self):
        """Drop the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _request(self, address, method, path, body=None):
        if self._connection is None or self._address != address:
            self.close()
            self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
            self._address = address
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())

    def _send_one(self, address, event):
        status, answer = self._request(address, "POST", f"/api/events/{event.kind}", json.dumps(event.fields()))
        if status == 201 and answer.get(f"{event.kind}_id") == event.id:
            self._ledger.acknowledge(event)
            return []
        if status != 503:
            self._ledger.complain(f"{event.kind} {event.id}: {status} {json.dumps(answer)[:300]}")
            return []
        return [event]

    def _send_batch(self, address, events):
        body = json.dumps([event.element() for event in events])
        status, answer = self._request(address, "POST", "/api/events/batch", body)
        if status not in (200, 503):
            self._ledger.complain(f"a batch: {status} {json.dumps(answer)[:300]}")
            return []
        if status == 503 and "results" not in answer:
            return list(events)
        left = []
        for result in answer["results"]:
            event = events[result["index"]]
            if result["status"] == "accepted" and result.get("id") == event.id:
                self._ledger.acknowledge(event)
            elif result["status"] == "retry":
                left.append(event)
            else:
                self._ledger.complain(f"{event.kind} {event.id} in a batch: {json.dumps(result)[:300]}")
        return left
