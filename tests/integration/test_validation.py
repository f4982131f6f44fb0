"""What is refused, with which code and field, and what is just good enough to be stored."""

import datetime
import json

import pytest

from harness import click_body, conversion_body, new_id, now, rfc3339

PATHS = {"click": "/api/events/click", "conversion": "/api/events/conversion"}
BODIES = {"click": click_body, "conversion": conversion_body}
GRIN = "\U0001F600"


@pytest.fixture(scope="module")
def server(module_world):
    """One program for all bodies."""
    return module_world.serve()


class Raw:
    """JSON text that stands in a body as it is."""

    def __init__(self, text):
        self.text = text


def encode(body):
    """The body as JSON, with Raw values as they are."""
    members = [f"{json.dumps(key)}:{value.text if isinstance(value, Raw) else json.dumps(value)}"
               for key, value in body.items()]
    return ("{" + ",".join(members) + "}").encode()


def bad_fields(kind):
    """(what is wrong, field, value, code): None as the value leaves the field out."""
    date = kind + "_date"
    for field in ["campaign_id", "user_id", date, "source"] + (["type"] if kind == "conversion" else []):
        if kind == "click" or field not in ("campaign_id", "source"):   # a conversion may leave them out
            yield "missing", field, None, "missing_field"
            yield "null", field, Raw("null"), "missing_field"
        for word, value in (("number", 5), ("true", True), ("array", []), ("object", {})):
            yield word, field, value, "invalid_field"
        if (kind, field) != ("conversion", "campaign_id"):
            yield "empty", field, "", "invalid_field"
    for field in ("campaign_id", "user_id", "click_id", kind + "_id"):
        good = new_id()
        for word, value in (("cut", good[:-1]), ("long", good + "0"), ("letter", "g" + good[1:]),
                            ("braces", "{" + good + "}"), ("no dashes", good.replace("-", "")), ("a word", "abc"),
                            ("dash moved", good[:7] + "-" + good[7] + good[9:]), ("space", " " + good),
                            ("urn", "urn:uuid:" + good)):
            yield word, field, value, "invalid_field"
    yield "number", kind + "_id", 5, "invalid_field"
    for word, value in (
            ("date only", "2026-01-02"), ("no offset", "2026-01-02T03:04:05"), ("no time", "2026-01-02TZ"),
            ("30 February", "2025-02-30T00:00:00Z"), ("29 February", "2025-02-29T00:00:00Z"),
            ("month 13", "2025-13-01T00:00:00Z"), ("hour 24", "2025-01-02T24:00:00Z"),
            ("minute 60", "2025-01-02T03:60:05Z"), ("no seconds", "2025-01-02T03:04Z"),
            ("offset without colon", "2025-01-02T03:04:05+0700"), ("offset 24", "2025-01-02T03:04:05+24:00"),
            ("no fraction", "2025-01-02T03:04:05.Z"), ("comma", "2025-01-02T03:04:05,5Z"),
            ("trailing", "2025-01-02T03:04:05Z "), ("leading", " 2025-01-02T03:04:05Z"), ("word", "yesterday"),
            ("year 0", "0000-01-01T00:00:00Z"), ("unix", "1767323045"), ("five digits", "12025-01-02T03:04:05Z"),
            ("US", "01/02/2025 03:04:05"), ("61 minutes ahead", rfc3339(now() + datetime.timedelta(minutes=61))),
            ("61 minutes ahead with an offset", (now() + datetime.timedelta(minutes=61)).astimezone(
                datetime.timezone(datetime.timedelta(hours=-9))).isoformat(timespec="milliseconds")),
            ("year 9999", "9999-12-31T23:59:59Z")):
        yield word, date, value, "invalid_field"
    for field in ["source"] + (["type"] if kind == "conversion" else []):
        yield "256 letters", field, "a" * 256, "invalid_field"
        yield "256 umlauts", field, "\u00fc" * 256, "invalid_field"
        yield "256 emoji", field, GRIN * 256, "invalid_field"
    if kind == "conversion":
        yield from bad_values()


def bad_values():
    """Values of a conversion that are none."""
    for text in ("-0.01", "-1", "-1e-9", "-1e400", "1e400", "10000000000001", "10000000000000.01", "1e14",
                 '"10000000000001"', '"10000000000000.001"', '"-0.01"', '"abc"', '""', '" 1"', '"1 "', '"1,5"',
                 '"+1"', '".5"', '"1."', '"NaN"', '"Infinity"', '"0x10"', '"1e400"', '"12.3.4"', '"\u0661"', "true",
                 "false", "[]", "{}", "[1]"):
        yield "value " + text, "value", Raw(text), "invalid_field"


GOOD_VALUES = [
    ("0", 0), ("-0", 0), ("0.0", 0), ("1", 100), ("10", 1000), ("0.005", 1), ("0.0049999", 0), ("0.0050000001", 1),
    ("1.005", 101), ("2.675", 268), ("0.30000000000000004", 30), ("0.1", 10), ("149.99", 14999),
    ("123.45678901234567", 12346), ("99.995", 10000), ("1e2", 10000), ("1E-2", 1), ("1e-7", 0), ("1e-400", 0),
    ("5e-3", 1), ("1.115", 112), ("8.345", 835), ("4.35", 435), ("9999999999999.99", 999999999999999),
    ("9999999999999.986", 999999999999999), ("10000000000000", 10**15), ("1e13", 10**15),
    ('"2.675"', 268), ('"0.005"', 1), ('"1.005"', 101), ('"0.00499999999999999999999999"', 0), ('"12"', 1200),
    ('"12.3"', 1230), ('"10000000000000.00"', 10**15), ('"0.30000000000000004"', 30), ('"0.015"', 2),
    ('"1.00499999999999999999999999999999999"', 100), ("null", 0), (None, 0),
]


def bad_bodies(kind):
    """(what is wrong, bytes, code, field) of bodies that are no field's fault, or where a field stands twice."""
    good = encode(BODIES[kind]())
    for word, text in (
            ("empty", b""), ("white space", b" \n"), ("a word", b"hello"), ("cut", good[:-1]),
            ("trailing text", good + b"x"), ("two objects", good + good), ("trailing comma", good[:-1] + b",}"),
            ("single quotes", good.replace(b'"', b"'")), ("comment", b"/* */" + good),
            ("byte order mark", b"\xef\xbb\xbf" + good), ("UTF-16", good.decode().encode("utf-16")),
            ("NUL escape", good.replace(b"newsletter", b"news\\u0000letter")),
            ("NUL byte", good.replace(b"newsletter", b"news\0letter")),
            ("NUL behind", good + b"\0"),
            ("control character", good.replace(b"newsletter", b"news\nletter")),
            ("bad escape", good.replace(b"newsletter", b"news\\xletter")),
            ("half a surrogate", good.replace(b"newsletter", b"\\ud83d")),
            ("other half", good.replace(b"newsletter", b"\\ude00\\ud83d")),
            ("invalid UTF-8", good.replace(b"newsletter", b"news\xffletter")),
            ("Latin-1", good.replace(b"newsletter", b"f\xfcr")),
            ("overlong", good.replace(b"newsletter", b"\xc0\xaf")),
            ("surrogate in UTF-8", good.replace(b"newsletter", b"\xed\xa0\x80")),
            ("beyond Unicode", good.replace(b"newsletter", b"\xf4\x90\x80\x80")),
            ("cut UTF-8", good.replace(b"newsletter", b"\xe2\x82")),
            ("invalid UTF-8 in an unknown field", good[:-1] + b',"x":"\xff"}'),
            ("deep", good[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"),
            ("NaN", good[:-1] + b',"x":NaN}'), ("leading zero", good[:-1] + b',"x":01}'),
            ("plus", good[:-1] + b',"x":+1}'), ("no digit", good[:-1] + b',"x":.5}'),
            ("point", good[:-1] + b',"x":1.}'), ("hexadecimal", good[:-1] + b',"x":0x10}'),
            ("array", b"[" + good + b"]"), ("string", b'"abc"'), ("number", b"1"), ("null", b"null"),
            ("false", b"false")):
        yield word, text, "invalid_json", None
    for field, value in BODIES[kind](**{kind + "_id": new_id()}).items():
        again = b"," + encode({field: value})[1:-1]
        yield f"{field} twice", encode(BODIES[kind](**{field: value}))[:-1] + again + b"}", "duplicate_field", field
        escaped = json.dumps(field).replace("_", "\\u005f").replace("s", "\\u0073").encode()
        if escaped != json.dumps(field).encode():
            yield (f"{field} twice, once escaped", encode(BODIES[kind](**{field: value}))[:-1] + b"," + escaped + b":"
                   + json.dumps(value).encode() + b"}", "duplicate_field", field)


def complaint(response, status, code, field):
    """None if the answer is the error it should be, else what is wrong with it."""
    try:
        body = response.json()
        error = body["error"]
        ok = (response.status_code == status and body["status"] == "error"
              and list(error) == ["code", "field", "message"] and (error["code"], error["field"]) == (code, field)
              and error["message"] and (field is None or field in error["message"])
              and set(body) == {"status", "error"})
    except (ValueError, KeyError, TypeError):
        ok = False
    return None if ok else f"{response.status_code} {response.text}, expected {status} {code} {field}"


@pytest.mark.parametrize("kind", ["click", "conversion"])
def test_bad_bodies(module_world, server, kind):
    """Every bad body is 400 with code, field and sentence, is not stored, and leaves its neighbours alone."""
    before = sum(module_world.end_offsets(kind))
    cases = [(f"{field}: {word}", encode(BODIES[kind](**{field: value})), code, field)
             for word, field, value, code in bad_fields(kind)]
    cases += list(bad_bodies(kind))
    wrong = []
    for name, body, code, field in cases:
        found = complaint(server.post(PATHS[kind], body), 400, code, field)
        if found:
            wrong.append(f"{name}: {body[:400]!r}: {found}")
    neighbour = server.post(PATHS[kind], BODIES[kind]())
    assert neighbour.status_code == 201, neighbour.text
    assert not wrong, "\n".join(wrong)
    assert sum(module_world.end_offsets(kind)) == before + 1
    assert server.metrics()['tyr_accepted_total{outcome="rejected"}'] >= len(cases)


def test_rejected_clicks_are_counted(server):
    """A refused event is counted as rejected, an accepted one as accepted."""
    before = server.metrics()
    server.post(PATHS["click"], b"{}")
    server.click()
    after = server.metrics()
    for outcome in ("accepted", "rejected"):
        name = f'tyr_accepted_total{{outcome="{outcome}"}}'
        assert after[name] == before[name] + 1


def test_texts_are_stored_as_they_came(module_world, server):
    """Sources and types of up to 255 characters of any kind are accepted and stored unchanged."""
    texts = [GRIN * 255, "a", "\u00fc" * 255, "a" * 255, "\u4e2d\u6587", 'quote " and \\ and /', "\x7f \x85",
             "tab\tline\nreturn\r\b\f", "\u2028\ufeff\ufffd", "e\u0301", "' OR 1=1; --", "\x01\x1f", "\U0010FFFF",
             "\\N", "\\.", "a\\tb", "{}", ","]
    campaign = new_id()
    for ascii_only in (True, False):
        for text in texts:
            body = json.dumps(conversion_body(campaign_id=campaign, source=text, type=text), ensure_ascii=ascii_only)
            response = server.post(PATHS["conversion"], body)
            assert response.status_code == 201, f"{text!r}: {response.text}"
            body = json.dumps(click_body(campaign_id=campaign, source=text), ensure_ascii=ascii_only)
            assert server.post(PATHS["click"], body).status_code == 201
    module_world.wait_processed()
    wanted = sorted(text for text in texts * 2)
    rows = module_world.sql("SELECT source, type FROM conversion_events WHERE campaign_id = %s", campaign)
    assert sorted(source for source, _ in rows) == wanted
    assert all(source == kind for source, kind in rows)
    rows = module_world.sql("SELECT source FROM click_events WHERE campaign_id = %s", campaign)
    assert sorted(source for source, in rows) == wanted
    assert module_world.sql("SELECT count(*) FROM dead_letters") == [(0,)]


def test_values_are_exact(module_world, server):
    """A value is the decimal that was written, rounded half away from zero to hundredths."""
    wanted = {}
    for text, minor in GOOD_VALUES:
        body = conversion_body(value=None)
        if text is not None:
            body["value"] = Raw(text)
        response = server.post(PATHS["conversion"], encode(body))
        assert response.status_code == 201, f"{text}: {response.text}"
        wanted[response.json()["conversion_id"]] = (text, minor)
    module_world.wait_processed()
    stored = {str(event): value for event, value in
              module_world.sql("SELECT conversion_id, value_minor FROM conversion_events")}
    wrong = [f"{text} is stored as {stored.get(event)}, expected {minor}"
             for event, (text, minor) in wanted.items() if stored.get(event) != minor]
    assert not wrong, "\n".join(wrong)


def test_times_are_utc_and_floored(module_world, server):
    """A time is kept in UTC, floored to milliseconds, also before 1970, and up to an hour ahead."""
    ahead = (now() + datetime.timedelta(minutes=59)).replace(microsecond=0)
    cases = [
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.000+00:00"),
        ("2025-01-02T03:04:05.6Z", "2025-01-02T03:04:05.600+00:00"),
        ("2025-01-02t03:04:05.6789999999z", "2025-01-02T03:04:05.678+00:00"),
        ("2025-01-01T00:00:00+05:30", "2024-12-31T18:30:00.000+00:00"),
        ("2024-02-29T23:59:59.9999-23:59", "2024-03-01T23:58:59.999+00:00"),
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999+00:00"),
        ("1999-12-31T23:59:59.999999Z", "1999-12-31T23:59:59.999+00:00"),
        ("2000-01-01T00:00:00-00:00", "2000-01-01T00:00:00.000+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+00:00"),
        (rfc3339(ahead), ahead.isoformat(timespec="milliseconds")),
    ]
    ids = [server.click(click_date=sent)["click_id"] for sent, _ in cases]
    module_world.wait_processed()
    stored = {str(event): when for event, when in module_world.sql("SELECT click_id, click_date FROM click_events")}
    for event, (sent, wanted) in zip(ids, cases):
        assert stored.get(event) == datetime.datetime.fromisoformat(wanted), sent


def test_ids_are_lower_case(module_world, server):
    """UUIDs in capitals are accepted, answered and stored in lower case; unknown fields are left alone."""
    ids = {key: new_id() for key in ("click_id", "campaign_id", "user_id")}
    body = click_body(**{key: value.upper() for key, value in ids.items()}, type=7, value="none", other={"a": [1]})
    response = server.post(PATHS["click"], body)
    assert response.status_code == 201, response.text
    assert response.json()["click_id"] == ids["click_id"]
    module_world.wait_processed()
    assert module_world.sql("SELECT click_id::text, campaign_id::text, user_id::text FROM click_events "
                            "WHERE click_id = %s", ids["click_id"]) == [tuple(ids.values())]


def test_bad_statistics_requests(server):
    """A bad parameter of a statistics request is named, in 400."""
    campaign = new_id()
    cases = [
        ("", "missing_field", "campaign_id"), ("?group_by=daily", "missing_field", "campaign_id"),
        ("?campaign_id=abc", "invalid_field", "campaign_id"), ("?campaign_id=", "invalid_field", "campaign_id"),
        (f"?campaign_id={campaign}&group_by=daily&group_by=daily", "duplicate_field", "group_by"),
        (f"?campaign_id={campaign}&group_by=yearly", "invalid_field", "group_by"),
        (f"?campaign_id={campaign}&tz=Mars", "invalid_field", "tz"),
        (f"?campaign_id={campaign}&model=shapley", "invalid_field", "model"),
        (f"?campaign_id={campaign}&sources=a", "invalid_field", "sources"),
        (f"?campaign_id={campaign}&from=2025-1-1", "invalid_field", "from"),
        (f"?campaign_id={campaign}&to=2025-02-30", "invalid_field", "to"),
        (f"?campaign_id={campaign}&from=2025-02-02&to=2025-02-01", "invalid_field", "from"),
        (f"?campaign_id={campaign}&from=1000-01-01", "invalid_field", "from"),
        (f"?campaign_id={campaign}%00", "invalid_field", None),
        (f"?campaign_id={campaign}%ff", "invalid_field", None),
    ]
    wrong = []
    for query, code, field in cases:
        found = complaint(server.get("/api/campaigns/statistics" + query), 400, code, field)
        if found:
            wrong.append(f"{query}: {found}")
    assert not wrong, "\n".join(wrong)


def test_bad_journal_requests(server):
    """A bad body of a journal request is 400 and names its field."""
    cases = [
        (b"[]", "invalid_json", None), (b"{", "invalid_json", None), (b'{"date":5}', "invalid_field", "date"),
        (b'{"date":"2025-02-30"}', "invalid_field", "date"), (b'{"from":"2025-01-01"}', "invalid_field", "to"),
        (b'{"to":"2025-01-01"}', "invalid_field", "from"),
        (b'{"from":"2025-01-02","to":"2025-01-01"}', "invalid_field", "from"),
        (b'{"date":"2025-01-01","from":"2025-01-01","to":"2025-01-01"}', "invalid_field", "date"),
        (b'{"day":"2025-01-01"}', "invalid_field", "day"), (b'{"date":"9999-01-01"}', "invalid_field", "date"),
    ]
    for body, code, field in cases:
        response = server.post("/api/campaigns/journal", body)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["field"]) == (400, code, field), f"{body}: {response.text}"
        assert error["message"]
