"""Many events in one body: what is accepted, what is refused by itself, and what is refused as a whole."""

import gzip
import json
import threading
import uuid
import zlib

import pytest

from harness import SLOW, click_body, conversion_body, eventually, new_id, now, rfc3339

PATH = "/api/events/batch"
BODY_MAX = 16777216
COUNT_MAX = 10000


@pytest.fixture(scope="module")
def server(module_world):
    """One program for all bodies."""
    return module_world.serve()


def click(**fields):
    """A click as an element."""
    return {"event": "click", **click_body(**{"click_id": new_id(), **fields})}


def conversion(**fields):
    """A conversion as an element."""
    return {"event": "conversion", **conversion_body(**{"conversion_id": new_id(), **fields})}


def id_of(event):
    """The id that an element carries."""
    return event[event["event"] + "_id"]


def ndjson(events):
    """Elements as lines."""
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def post(server, body, content_type="application/json", **fields):
    """Send a body as it is."""
    return server.post(PATH, body, headers={"Content-Type": content_type, **fields})


def refused(response, status, code):
    """The answer refuses the whole body with this code."""
    assert response.status_code == status, response.text[:2000]
    body = response.json()
    assert (body["status"], body["error"]["code"]) == ("error", code), body
    assert body["error"]["message"]
    return body["error"]["message"]


def stored(world, campaign):
    """The ids of a campaign's events in PostgreSQL."""
    world.wait_processed()
    return sorted(str(row[0]) for row in world.sql(
        "SELECT click_id FROM click_events WHERE campaign_id = %s UNION ALL "
        "SELECT conversion_id FROM conversion_events WHERE campaign_id = %s", campaign, campaign))


def accepted_results(events):
    """What the answer says of events that are all accepted."""
    return [{"index": i, "event": event["event"], "id": id_of(event), "status": "accepted"}
            for i, event in enumerate(events)]


FORMS = {
    "array": (lambda events: json.dumps(events).encode(), "application/json", {}),
    "spaced array": (lambda events: json.dumps(events, indent=2).encode() + b"\n ", "application/json", {}),
    "ndjson": (ndjson, "application/x-ndjson", {}),
    "ndjson, its other name": (ndjson, "application/ndjson", {}),
    "ndjson, called json": (ndjson, "application/json", {}),
    "ndjson, CRLF and blank lines": (lambda events: b"\r\n\n" + ndjson(events).replace(b"\n", b"\r\n\r\n"),
                                     "application/x-ndjson", {}),
    "ndjson, no last newline": (lambda events: ndjson(events).rstrip(), "application/x-ndjson", {}),
    "gzip": (lambda events: gzip.compress(json.dumps(events).encode()), "application/json",
             {"Content-Encoding": "gzip"}),
    "gzip in members": (lambda events: gzip.compress(ndjson(events[:3])) + gzip.compress(ndjson(events[3:])),
                        "application/x-ndjson", {"Content-Encoding": "x-gzip"}),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(module_world, server, form):
    """Events are accepted as an array and as NDJSON, packed or not, and answered in order with their ids."""
    campaign = new_id()
    events = [click(campaign_id=campaign) if i % 3 else conversion(campaign_id=campaign) for i in range(7)]
    encode, content_type, fields = FORMS[form]
    response = post(server, encode(events), content_type, **fields)
    assert response.status_code == 200, response.text
    assert response.json() == {"status": "success", "accepted": 7, "rejected": 0, "retry": 0,
                               "results": accepted_results(events)}
    assert stored(module_world, campaign) == sorted(map(id_of, events))


def test_packed_body_in_chunks(module_world, server):
    """A packed body may come in chunks."""
    campaign = new_id()
    events = [click(campaign_id=campaign) for _ in range(50)]
    packed = gzip.compress(ndjson(events))
    response = post(server, (packed[i:i + 100] for i in range(0, len(packed), 100)), "application/x-ndjson",
                    **{"Content-Encoding": "gzip"})
    assert response.status_code == 200, response.text
    assert stored(module_world, campaign) == sorted(map(id_of, events))


def test_packed_single_event(server):
    """A single event may be packed as well."""
    body = gzip.compress(json.dumps(click_body()).encode())
    response = server.post("/api/clicks", body, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 201, response.text
    bomb = gzip.compress(json.dumps(click_body()).encode() + b" " * 65536)
    refused(server.post("/api/clicks", bomb, headers={"Content-Encoding": "gzip"}), 413, "too_large")


def bad_elements(campaign):
    """Ten elements that are wrong, and the field of each."""
    return [
        (click(campaign_id=campaign, source=""), "source"), (click(campaign_id=campaign, user_id="abc"), "user_id"),
        (click(campaign_id="abc"), "campaign_id"), (conversion(campaign_id=campaign, value=-1), "value"),
        (conversion(campaign_id=campaign, type=None), "type"),
        (conversion(campaign_id=campaign, conversion_date="today"), "conversion_date"),
        ({**click(campaign_id=campaign), "event": "view"}, "event"), (click_body(campaign_id=campaign), "event"),
        (5, None), ([click(campaign_id=campaign)], None),
    ]


@pytest.mark.parametrize("as_lines", [False, True], ids=["array", "ndjson"])
def test_bad_elements_are_refused_by_themselves(module_world, server, as_lines):
    """Of 1,000 events 10 are bad: these are named by index and field, the other 990 are stored."""
    campaign = new_id()
    events = [conversion(campaign_id=campaign) if i % 10 == 0 else click(campaign_id=campaign) for i in range(990)]
    wanted = accepted_results(events)
    elements = list(events)
    for i, (element, field) in enumerate(bad_elements(campaign)):
        place = i * 99 + (0 if i < 9 else 108)
        elements.insert(place, element)
        wanted.insert(place, {"status": "rejected", "field": field})
    assert len(elements) == 1000
    body = ndjson(elements) if as_lines else json.dumps(elements).encode()
    response = post(server, body, "application/x-ndjson" if as_lines else "application/json")
    assert response.status_code == 200, response.text[:2000]
    answer = response.json()
    assert {key: answer[key] for key in ("status", "accepted", "rejected", "retry")} == {
        "status": "partial", "accepted": 990, "rejected": 10, "retry": 0}
    for i, (found, expected) in enumerate(zip(answer["results"], wanted)):
        expected["index"] = i
        if expected["status"] == "rejected":
            assert found.pop("message")
        assert found == expected
    assert stored(module_world, campaign) == sorted(map(id_of, events))


def test_bad_lines_are_refused_by_themselves(module_world, server):
    """A line of NDJSON that is not JSON, or too long, is refused by itself."""
    campaign = new_id()
    events = [click(campaign_id=campaign) for _ in range(6)]
    lines = [json.dumps(event).encode() for event in events]
    bad = [b'{"event":"click"', b"hello", b'{"event":"click","source":"\xff"}',
           json.dumps(click(campaign_id=campaign, other="x" * 70000)).encode()]
    body = b"\n".join([lines[0], bad[0], lines[1], bad[1], lines[2], bad[2], lines[3], bad[3], *lines[4:]])
    response = post(server, body, "application/x-ndjson")
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["accepted"], answer["rejected"]) == (6, 4)
    assert [r["index"] for r in answer["results"] if r["status"] == "rejected"] == [1, 3, 5, 7]
    assert stored(module_world, campaign) == sorted(map(id_of, events))


def test_a_large_element_is_refused_by_itself(module_world, server):
    """An element of an array that is larger than a single event may be takes no other event down with it."""
    campaign = new_id()
    events = [click(campaign_id=campaign) for _ in range(3)]
    elements = [events[0], click(campaign_id=campaign, other="x" * 70000), *events[1:]]
    response = post(server, json.dumps(elements).encode())
    assert response.status_code == 200, response.text
    assert [r["status"] for r in response.json()["results"]] == ["accepted", "rejected", "accepted", "accepted"]
    assert stored(module_world, campaign) == sorted(map(id_of, events))


def test_broken_arrays_store_nothing(module_world, server):
    """An array that is malformed anywhere is 400 as a whole, and none of its events is stored."""
    campaign = new_id()
    good = json.dumps([click(campaign_id=campaign) for _ in range(3)]).encode()
    cases = [b"", b" ", b"5", b'"x"', b"null", good[:-1], good[:-2], good + b"]", good + good, good[:-1] + b",]",
             b"[,]", b"[" + good[1:].replace(b"}, {", b"} {", 1), good[:-1] + b",nonsense]", good[:-1] + b',{"a":}]',
             good.replace(b"newsletter", b"news\xffletter", 1), good.replace(b"newsletter", b"\\u0000", 1),
             good.replace(b'"newsletter"', b'"newsletter', 1), good[:-1] + b"}", b"[" * 5000]
    for body in cases:
        refused(post(server, body), 400, "invalid_json")
    answer = post(server, good[1:-1]).json()  # starts like NDJSON, and is refused as a line
    assert (answer["accepted"], answer["rejected"]) == (0, 1)
    assert stored(module_world, campaign) == []


def test_no_events(server):
    """A batch without events is a success that accepts none."""
    for body, content_type in ((b"[]", "application/json"), (b" [ \n] ", "application/json"),
                               (b"", "application/x-ndjson"), (b"\n\n", "application/x-ndjson")):
        response = post(server, body, content_type)
        assert response.status_code == 200, (body, response.text)
        assert response.json() == {"status": "success", "accepted": 0, "rejected": 0, "retry": 0, "results": []}


def test_only_bad_events(module_world, server):
    """A batch of only bad events accepts none, names each, and stores nothing."""
    before = [sum(module_world.end_offsets(kind)) for kind in ("click", "conversion")]
    elements = [element for element, _ in bad_elements(new_id())]
    answer = server.batch(elements)
    assert (answer["accepted"], answer["rejected"], answer["retry"]) == (0, 10, 0)
    assert answer["status"] != "success"
    assert [r["index"] for r in answer["results"]] == list(range(10))
    assert [sum(module_world.end_offsets(kind)) for kind in ("click", "conversion")] == before


def test_ids_are_given(module_world, server):
    """Events without ids get UUIDv7s, which the answer tells in their order."""
    campaign = new_id()
    events = [{"event": "click", **click_body(campaign_id=campaign)} for _ in range(100)]
    ids = [result["id"] for result in server.batch(events)["results"]]
    assert ids == sorted(ids) and len(set(ids)) == 100
    assert all(uuid.UUID(text).version == 7 for text in ids)
    assert stored(module_world, campaign) == ids


def test_the_same_event_twice_is_stored_once(module_world, server):
    """The same event twice in one batch and again in the next is accepted each time and stored once."""
    campaign = new_id()
    event = click(campaign_id=campaign)
    other = click(campaign_id=campaign, click_date=rfc3339(now()))
    for _ in range(2):
        assert server.batch([event, other, event])["accepted"] == 3
    assert stored(module_world, campaign) == sorted([id_of(event), id_of(other)])


def test_limit_of_the_count(module_world, server):
    """As many events as allowed are accepted in one body; with one more it is 413 and none is stored."""
    campaign = new_id()
    when, user = rfc3339(now()), new_id()
    events = [{"event": "click", "campaign_id": campaign, "user_id": user, "click_date": when, "source": "s"}
              for _ in range(COUNT_MAX + 1)]
    for body, content_type in ((json.dumps(events).encode(), "application/json"),
                               (ndjson(events), "application/x-ndjson")):
        message = refused(post(server, body, content_type), 413, "too_large")
        assert str(COUNT_MAX) in message
    assert stored(module_world, campaign) == []
    assert server.batch(events[:-1])["accepted"] == COUNT_MAX
    assert len(stored(module_world, campaign)) == COUNT_MAX


def test_limit_of_the_bytes(server):
    """A body beyond the limit is 413, by its length, in chunks, and unpacked; at the limit it is accepted."""
    event = json.dumps([click()]).encode()
    padded = event + b" " * (BODY_MAX - len(event))
    assert post(server, padded).json()["accepted"] == 1
    assert post(server, gzip.compress(padded), **{"Content-Encoding": "gzip"}).json()["accepted"] == 1
    refused(post(server, gzip.compress(padded + b" "), **{"Content-Encoding": "gzip"}), 413, "too_large")
    # a client that goes on sending after the 413 may lose the answer; a head alone does not
    raw = server.session().post(server.url + PATH, data=b"", timeout=10 * SLOW,
                                headers={"Content-Length": str(BODY_MAX + 1), "Content-Type": "application/json"})
    refused(raw, 413, "too_large")


def bomb(mebibytes):
    """Zeros, packed a thousandfold, in members of 32 MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b"".join([packer.compress(zeros) for _ in range(32)] + [packer.flush()]) * (mebibytes // 32)


@pytest.mark.no_sanitizer
def test_bombs_need_little_memory(server):
    """Small bodies that unpack to a gibibyte are 413, and many at once take no more memory than their limits."""
    packed = bomb(1024)
    assert len(packed) < 1100000
    refused(post(server, packed, **{"Content-Encoding": "gzip"}), 413, "too_large")
    before = server.rss()
    peak = [before]
    answers = []

    def send():
        for _ in range(3):
            answers.append(post(server, packed, **{"Content-Encoding": "gzip"}).status_code)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak.append(server.rss())
        threads[0].join(0.01)
    for thread in threads:
        thread.join()
    assert set(answers) <= {413, 503} and len(answers) == 24, answers
    room = 8 * (2 * BODY_MAX + (4 << 20))  # a body, packed and unpacked, for each at the same time
    assert max(peak) - before < room, f"{before >> 20} MiB became {max(peak) >> 20} MiB"
    eventually(lambda: server.batch([click()])["accepted"] == 1, 5)
    eventually(lambda: server.rss() - before < 64 << 20, 10, "the memory is given back")


def test_broken_gzip_is_400(module_world, server):
    """A packed body that is cut off, damaged or no gzip at all is 400 and stores nothing."""
    campaign = new_id()
    good = gzip.compress(json.dumps([click(campaign_id=campaign) for _ in range(100)]).encode())
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 0xFF
    wrong_sum = bytearray(good)
    wrong_sum[-6] ^= 1
    plain = json.dumps([click(campaign_id=campaign)]).encode()
    for body in (good[:-1], good[:-9], good[:len(good) // 2], good[:5], bytes(damaged), bytes(wrong_sum), plain,
                 good + b"x", zlib.compress(plain), b"\x1f\x8b"):
        response = post(server, body, **{"Content-Encoding": "gzip"})
        assert response.status_code == 400, (body[:20], response.text)
        assert response.json()["error"]["message"]
    assert stored(module_world, campaign) == []
