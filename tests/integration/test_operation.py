"""What an operator meets: options, migrations, health, metrics, stopping, and services that go and come back."""

import datetime
import re
import socket
import threading
import time

import pytest
import requests
from confluent_kafka.admin import NewPartitions

from harness import ROOT, SLOW, click_body, eventually, free_port, new_id, now, rfc3339

SECRET = "a-secret-nobody-may-see"


# --- options ---------------------------------------------------------------------------------------

def options():
    """The rows of config.def: (name, alias, type, default, min, max, is secret, help)."""
    text = (ROOT / "src" / "util" / "config.def").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rows = re.findall(r'OPTION\((\w+),\s*"(\w*)",\s*(\w+),\s*\w+,\s*"([^"]*)",\s*(-?\d+),\s*(-?\d+),\s*"[^"]*",'
                      r'\s*(\w+),\s*"([^"]*)"\)', text)
    assert len(rows) == text.count("OPTION(")
    return [(name, alias, kind, default, int(low), int(high), flags != "0", words)
            for name, alias, kind, default, low, high, flags, words in rows]


def bad_values(kind, low, high):
    """Values that an option of this kind must refuse."""
    if kind == "INT":
        return ["abc", "1.5", " 5", "5 ", "+5", "0x10", "1e3", "99999999999999999999"] + \
            ([str(low - 1)] if low > -2**63 else []) + ([str(high + 1)] if high < 2**63 - 1 else [])
    if kind == "BOOL":
        return ["maybe", "2", "truee"]
    if kind == "LISTEN":
        return ["nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", ":8080", "300.0.0.1:80",
                "[::1]:8080"]
    return ["x" * (high + 1)]


@pytest.fixture(scope="module")
def server(module_world):
    """One program for the tests that take nothing away from it."""
    return module_world.serve()


def test_check_config_names_bad_options(world):
    """check-config refuses every bad value in one sentence that names the option and what was expected."""
    wrong = []
    for name, alias, kind, _, low, high, is_secret, _ in options():
        for value in bad_values(kind, low, high):
            for key in filter(None, (name, alias)):
                done = world.run("check-config", **{name: None, key: value})
                lines = done.stderr.strip().splitlines()
                if (done.returncode == 0 or len(lines) != 1 or not re.search(rf"\b{name}\b.*expected", lines[0])
                        or is_secret and value in done.stderr + done.stdout):
                    wrong.append(f"{key}={value[:50]}: {done.returncode} {done.stderr[:300]}")
    for name, value in (("LOG_LEVEL", "loud"), ("DB_SSLMODE", "maybe"), ("REDIS_URL", "nowhere"),
                        ("KAFKA_CONVERSION_TOPIC", world.env["KAFKA_CLICK_TOPIC"])):
        done = world.run("check-config", **{name: value})
        if done.returncode == 0 or name not in done.stderr:
            wrong.append(f"{name}={value}: {done.returncode} {done.stderr}")
    assert not wrong, "\n".join(wrong)


def test_check_config_shows_what_is_in_force(world):
    """check-config prints every option with its value and ends well; limits themselves are accepted."""
    done = world.run("check-config", WRITERS=3)
    assert done.returncode == 0, done.stderr
    for name, _, kind, default, low, high, _, _ in options():
        assert re.search(rf"(^|\s){name}=", done.stdout), name
        if kind == "INT":
            for value in {low, high, int(default)}:
                assert world.run("check-config", **{name: value}).returncode == 0, f"{name}={value}"
    assert re.search(r"(^|\s)WRITERS=3(\s|$)", done.stdout)
    assert f"DB_NAME={world.env['DB_NAME']}" in done.stdout


def test_help_prints_every_option(world):
    """--help names every option, its other name, its default and what it is for."""
    done = world.run("--help")
    assert done.returncode == 0 and not done.stderr
    for name, alias, _, default, _, _, _, words in options():
        assert re.search(rf"^\s*{name}\b", done.stdout, re.M), name
        assert alias in done.stdout and default in done.stdout and words in done.stdout, name


def test_unknown_commands_say_what_there_is(world):
    """Without a command, or with an unknown one, the program says which there are."""
    for arguments in ((), ("nonsense",), ("serve", "now"), ("--version-please",)):
        done = world.run(*arguments)
        assert done.returncode not in (0, -6, -11), arguments
        for word in ("serve", "migrate", "check-config", "--help"):
            assert word in done.stderr, (arguments, done.stderr)


def test_secrets_are_never_printed(module_world, server):
    """Passwords print as ***, in check-config, in the log, and when the connection with them fails."""
    done = module_world.run("check-config", DB_PASSWORD=SECRET, REDIS_PASSWORD=SECRET)
    assert done.returncode == 0
    assert "DB_PASSWORD=***" in done.stdout and "REDIS_PASSWORD=***" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    done = module_world.run("migrate", DB_PASSWORD=SECRET, START_TIMEOUT_MS=0)
    assert done.returncode != 0 and "DB_PASSWORD" in done.stderr and SECRET not in done.stderr
    assert "DB_PASSWORD=***" in server.log()
    assert module_world.env["DB_PASSWORD"] not in server.log()


# --- migrations and the start ------------------------------------------------------------------------

def schema(world):
    """What the database holds: tables, columns, indexes, applied migrations."""
    return (world.sql("SELECT table_name, column_name, data_type FROM information_schema.columns "
                      "WHERE table_schema = 'public' ORDER BY 1, 2"),
            world.sql("SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"),
            world.sql("SELECT version, name, applied_at FROM schema_migrations ORDER BY 1"),
            world.sql("SELECT partitions, id FROM deployment"))


def test_migrate_twice_changes_nothing(world):
    """A second migrate changes nothing, whatever KAFKA_PARTITIONS says by then."""
    world.migrate()
    before = schema(world)
    world.migrate()
    world.migrate(KAFKA_PARTITIONS=7)
    assert schema(world) == before
    assert len(world.end_offsets("click")) == 4


def test_migrations_at_once(world):
    """Several migrations at the same time all end well, as one would."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(world.run("migrate"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in results] == [0] * 5, "\n".join(done.stderr for done in results)
    assert world.sql("SELECT count(*) FROM deployment") == [(1,)]
    assert len(world.end_offsets("click")) == 4


def test_serve_without_migrate_says_so(world):
    """serve on an empty database ends with a sentence that names migrate."""
    done = world.run("serve", HTTP_LISTEN=f"127.0.0.1:{free_port()}", ADMIN_LISTEN=f"127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "migrate" in done.stderr.splitlines()[-1]


def test_another_partition_count_stops_the_start(world):
    """A topic whose partition count changed stops serve and migrate with a sentence that names it."""
    world.migrate()
    topic = world.topics["conversion"]
    world.services.admin().create_partitions([NewPartitions(topic, 6)])[topic].result(30)
    for command in ("serve", "migrate"):
        done = world.run(command, HTTP_LISTEN=f"127.0.0.1:{free_port()}", ADMIN_LISTEN=f"127.0.0.1:{free_port()}")
        last = done.stderr.splitlines()[-1]
        assert done.returncode == 1, done.stderr
        assert topic in last and "6" in last and "4" in last, last


def test_topics_made_by_hand_are_taken_as_they_are(world):
    """migrate records the partition count of a topic that exists, and makes the other one alike."""
    world.create_topic("click", 3)
    world.migrate()
    assert world.partitions() == 3
    assert len(world.end_offsets("conversion")) == 3


def test_missing_services_are_named(world):
    """A start that cannot reach PostgreSQL or Kafka ends with a sentence that names the service and the option."""
    world.migrate()
    nobody = free_port()
    for option, value, service in (("DB_PORT", nobody, "PostgreSQL"), ("KAFKA_URL", f"127.0.0.1:{nobody}", "Kafka")):
        done = world.run("serve", START_TIMEOUT_MS=500, **{option: value})
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert service in last and option in last and "START_TIMEOUT_MS" in last, last


@pytest.mark.parametrize("option", ["DB_PORT", "KAFKA_URL"])
def test_term_while_waiting_for_services(world, option):
    """TERM ends a program that still waits for PostgreSQL or Kafka at its start, without delay."""
    world.migrate()
    nobody = free_port()
    server = world.serve(wait=False, START_TIMEOUT_MS=60000, **{option: nobody if option == "DB_PORT" else
                                                                f"127.0.0.1:{nobody}"})
    eventually(lambda: re.search("Connection refused", server.log()), 20, "it waits")
    started = time.monotonic()
    server.signal(15)
    try:
        server.wait_exit(5)
    except AssertionError:
        server.kill()
        pytest.fail(f"the program did not end within {time.monotonic() - started:.0f} s of TERM")


def test_taken_ports_are_named(module_world, server):
    """A port that another process has stops the start with a sentence, and that one is not disturbed."""
    for option in ("HTTP_LISTEN", "ADMIN_LISTEN"):
        listen = {"HTTP_LISTEN": f"127.0.0.1:{free_port()}", "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
                  option: server.env[option]}
        done = module_world.run("serve", **listen)
        assert done.returncode == 1, done.stderr
        assert f"{option}={server.env[option]}" in done.stderr
        server.click()
        module_world.wait_processed(3)


# --- health and metrics --------------------------------------------------------------------------------

def families():
    """The families of metrics.def: {name: (type, help, [labels of its rows])}."""
    text = (ROOT / "src" / "util" / "metrics.def").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rows = re.findall(r'METRIC\(\w+,\s*(\w+),\s*"(\w+)",\s*"((?:\\.|[^"\\])*)",\s*"([^"]*)"\)', text)
    assert len(rows) == text.count("METRIC(")
    found = {}
    for kind, name, labels, words in rows:
        kind = "histogram" if kind.startswith("HISTOGRAM") else kind.lower()
        found.setdefault(name, (kind, words, []))[2].append(labels.replace('\\"', '"'))
    return found


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? '
                    r'([+-]?(?:\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|Inf)|NaN)')


def parse_exposition(text):
    """The Prometheus text format, strictly: {family: (type, help, {(sample name, labels): value})}."""
    assert text.endswith("\n")
    found, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in found, f"{name} is described twice, or its samples do not stand together"
            assert words
            found[name] = [None, words, {}]
            current = name
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and found[name][0] is None and not found[name][2], line
            assert kind in ("counter", "gauge", "histogram")
            found[name][0] = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"no sample: {line}"
            name, labels, value = match.group(1), match.group(2) or "", float(match.group(3))
            kind = found[current][0]
            base = re.sub("_(bucket|sum|count)$", "", name) if kind == "histogram" else name
            assert base == current, f"{line} stands among {current}"
            assert (name, labels) not in found[current][2], f"{line} stands twice"
            found[current][2][(name, labels)] = value
    for name, (kind, _, samples) in found.items():
        assert kind, f"{name} has no TYPE"
        if kind == "counter":
            assert name.endswith("_total") and all(value >= 0 for value in samples.values()), name
        if kind == "histogram":
            check_histogram(name, samples)
    return found


def check_histogram(name, samples):
    """Buckets grow, the last one is +Inf and equals the count."""
    bounds, counts = [], []
    for (sample, labels), value in samples.items():
        if sample == name + "_bucket":
            bounds.append(float(re.search('le="([^"]*)"', labels).group(1).replace("+Inf", "inf")))
            counts.append(value)
    assert bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), name
    assert counts == sorted(counts) and counts[-1] == samples[(name + "_count", "")], name
    assert samples[(name + "_sum", "")] >= 0


def test_metrics_are_prometheus_text(world):
    """/metrics keeps the rules of its format and has every family of the table, with HELP, TYPE and samples."""
    server = world.serve()
    campaign, user = new_id(), new_id()
    server.click(campaign_id=campaign, user_id=user)
    server.conversion(campaign_id=campaign, user_id=user)
    server.batch([{"event": "click", **click_body()}, {"event": "click"}])
    server.get("/nothing")
    world.wait_processed()
    eventually(lambda: server.statistics(campaign)["data"], 5)
    response = requests.get(server.admin + "/metrics", timeout=5 * SLOW)
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4"
    found = parse_exposition(response.text)
    for name, (kind, words, rows) in families().items():
        assert name in found, name
        assert found[name][:2] == [kind, words], name
        for labels in rows:
            assert (name + ("_count" if kind == "histogram" else ""), labels) in found[name][2], (name, labels)
    for name in ("tyr_http_requests_total", "tyr_mailbox_depth", "tyr_mailbox_capacity", "tyr_mailbox_rejected_total",
                 "tyr_process_resident_memory_bytes", "tyr_process_open_fds", "tyr_build_info"):
        assert found[name][2], name
    samples = server.metrics()
    assert samples['tyr_events_total{topic="click",outcome="stored"}'] == 2
    assert samples['tyr_events_total{topic="conversion",outcome="stored"}'] == 1
    assert samples['tyr_accepted_total{outcome="accepted"}'] == 3
    assert samples['tyr_accepted_total{outcome="rejected"}'] == 1
    assert samples["tyr_ack_seconds_count"] == 3
    assert samples['tyr_http_requests_total{route="click",code="201"}'] == 1
    assert samples['tyr_http_requests_total{route="other",code="404"}'] == 1
    for name in ("tyr_kafka_up", "tyr_postgres_up", "tyr_redis_up"):
        eventually(lambda name=name: server.metrics()[name] == 1, 5, name)


def ready(server, status, word, **down):
    """Does /readyz answer so, with these words for these dependencies and "up" for the others?"""
    code, body = server.readyz()
    wanted = {name: {"status": down.get(name, "up")} for name in ("kafka", "spool", "postgres", "redis")}
    assert (code, body["status"]) == (status, word), (code, body)
    assert body["dependencies"] == wanted, body
    return True


def test_health_names_its_dependencies(server):
    """/livez says that the program lives, /readyz what it depends on; both also answer HEAD."""
    eventually(lambda: ready(server, 200, "ready"), 5)
    for path in ("/livez", "/readyz", "/metrics"):
        assert requests.head(server.admin + path, timeout=5 * SLOW).status_code == 200
    assert requests.get(server.admin + "/livez", timeout=5 * SLOW).json() == {"status": "ok"}
    assert requests.get(server.admin + "/api/clicks", timeout=5 * SLOW).status_code == 404


def test_evicting_redis_is_told(module_world, server):
    """A Redis that may evict keys is warned about in the log and shown in the metrics."""
    client = module_world.redis()
    before = client.config_get("maxmemory-policy")["maxmemory-policy"]
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        eventually(lambda: server.metrics()["tyr_redis_evicting_policy"] == 1, 30)
        warnings = [line for line in server.log().splitlines() if " warn " in line and "evict" in line]
        assert warnings, server.tail()
    finally:
        client.config_set("maxmemory-policy", before)
    eventually(lambda: server.metrics()["tyr_redis_evicting_policy"] == 0, 30, "the metric follows")


# --- stopping ------------------------------------------------------------------------------------------

class Load:
    """Threads that send clicks until they are stopped, and remember what was answered."""

    def __init__(self, server, threads=8):
        self.server = server
        self.accepted, self.refused, self.errors = [], [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while not self._stop.is_set():
            body = click_body(click_id=new_id())
            try:
                response = self.server.post("/api/clicks", body)
            except requests.RequestException as error:
                self.errors.append(error)
                return
            if response.status_code == 201:
                self.accepted.append(body["click_id"])
            else:
                self.refused.append((response.status_code, response.json()))

    def stop(self):
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self


def stored_clicks(world):
    """The ids of all clicks in PostgreSQL."""
    return {str(row[0]) for row in world.sql("SELECT click_id FROM click_events")}


def test_term_under_load(world):
    """TERM under load ends the program with 0 in time, and all that was answered 201 is stored after a restart."""
    server = world.serve(SHUTDOWN_TIMEOUT_MS=int(20000 * SLOW))
    load = Load(server)
    eventually(lambda: len(load.accepted) > 500, 30)
    started = time.monotonic()
    server.signal(15)
    code = server.wait_exit(25)
    assert code == 0, server.tail()
    assert time.monotonic() - started < 20 * SLOW
    load.stop()
    assert all(status == 503 and "error" in body for status, body in load.refused), load.refused[:3]
    world.serve()
    world.wait_processed()
    lost = set(load.accepted) - stored_clicks(world)
    assert not lost, f"{len(lost)} of {len(load.accepted)} accepted events are lost"
    assert world.sql("SELECT sum(clicks) FROM click_buckets") == world.sql("SELECT count(*) FROM click_events")


def test_kill_under_load(world):
    """KILL under load loses nothing that was answered 201, and counts nothing twice."""
    server = world.serve()
    load = Load(server)
    eventually(lambda: len(load.accepted) > 500, 30)
    server.kill()
    load.stop()
    world.serve()
    world.wait_processed()
    assert not set(load.accepted) - stored_clicks(world)
    assert world.sql("SELECT sum(clicks) FROM click_buckets") == world.sql("SELECT count(*) FROM click_events")


def test_a_second_signal_ends_at_once(world):
    """A second signal while stopping ends the program at once, with 1."""
    server = world.serve()
    load = Load(server)
    eventually(lambda: len(load.accepted) > 100, 30)
    server.signal(15)
    eventually(lambda: '"stopping"' in server.log(), 5)
    server.signal(15)
    code = server.wait_exit(2)
    load.stop()
    assert code == 1, server.tail()
    assert "second signal" in server.log()


def test_term_with_slow_clients(world):
    """Clients that sit idle or hang in the middle of a request do not keep the program from ending with 0."""
    server = world.serve(SHUTDOWN_TIMEOUT_MS=int(10000 * SLOW))
    host, port = server.url.removeprefix("http://").split(":")
    head = b"POST /api/clicks HTTP/1.1\r\nHost: localhost\r\n"
    sockets = []
    for text in (b"", head, head + b"Content-Length: 500\r\n\r\n{", head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n"):
        for _ in range(3):
            client = socket.create_connection((host, int(port)), timeout=10 * SLOW)
            client.sendall(text)
            sockets.append(client)
    server.click()  # and a keep-alive connection without a request
    eventually(lambda: server.metrics()["tyr_http_connections"] >= len(sockets), 5)
    server.signal(15)
    code = server.wait_exit(15)
    for client in sockets:
        client.close()
    assert code == 0, server.tail()


# --- services that go and come back ------------------------------------------------------------------------

def refusal(response, event_id):
    """Is this the 503 of an event that may be sent again?"""
    assert response.status_code == 503, response.text
    assert int(response.headers["Retry-After"]) >= 1
    body = response.json()
    assert body["status"] == "error" and body["error"]["code"] == "unavailable", body
    assert body["click_id"] == event_id, body
    return True


def test_kafka_halted(world):
    """While Kafka does not answer and there is no spool, events are 503 with their ids, and one sent again afterwards is stored once."""
    services = world.services
    server = world.serve(ACK_TIMEOUT_MS=int(700 * SLOW), KAFKA_STALL_MS=int(300 * SLOW), SPOOL_DIR="off")
    server.click()
    body = click_body(click_id=new_id())
    services.kill("kafka", "STOP")
    refusal(server.post("/api/clicks", body), body["click_id"])
    without = server.post("/api/clicks", click_body())
    refusal(without, without.json()["click_id"])
    batch = server.post("/api/events/batch", [{"event": "click", **body}])
    assert batch.status_code == 503 and batch.json()["retry"] == 1, batch.text
    assert batch.json()["results"][0]["id"] == body["click_id"]
    eventually(lambda: ready(server, 503, "unavailable", kafka="down", spool="off"), 5)
    assert server.metrics()["tyr_kafka_up"] == 0
    services.kill("kafka", "CONT")
    eventually(lambda: server.post("/api/clicks", body).status_code == 201, 30, "events are accepted again")
    eventually(lambda: ready(server, 200, "ready", spool="off"), 10)
    world.wait_processed()
    assert world.sql("SELECT count(*) FROM click_events WHERE click_id = %s", body["click_id"]) == [(1,)]
    samples = server.metrics()
    assert samples['tyr_accepted_total{outcome="retry"}'] >= 3


def test_kafka_restarted(world):
    """Without a spool, Kafka stopped and started again costs 503s with ids and nothing else."""
    services = world.services
    server = world.serve(ACK_TIMEOUT_MS=int(700 * SLOW), KAFKA_STALL_MS=int(300 * SLOW), SPOOL_DIR="off")
    campaign = new_id()
    accepted = [server.click(campaign_id=campaign)["click_id"]]
    world.wait_processed()
    services.stop("kafka")
    body = click_body(campaign_id=campaign, click_id=new_id())
    eventually(lambda: refusal(server.post("/api/clicks", body), body["click_id"]), 10)
    eventually(lambda: ready(server, 503, "unavailable", kafka="down", spool="off"), 5)
    assert server.statistics(campaign)["data"][0]["total_clicks"] == 1, "statistics need no Kafka"
    services.start("kafka")
    eventually(lambda: server.post("/api/clicks", body).status_code == 201, 30, "events are accepted again")
    accepted += [body["click_id"], server.click(campaign_id=campaign)["click_id"]]
    eventually(lambda: ready(server, 200, "ready", spool="off"), 10)
    world.wait_processed()
    assert set(accepted) <= stored_clicks(world)
    assert world.sql("SELECT sum(clicks) FROM click_buckets") == world.sql("SELECT count(*) FROM click_events")


def test_postgres_restarted(world):
    """While PostgreSQL is away events are accepted all the same, and stored when it is back."""
    services = world.services
    server = world.serve()
    campaign, user, when = new_id(), new_id(), rfc3339(now())
    server.click(campaign_id=campaign, user_id=user, click_date=when)
    world.wait_processed()
    assert server.statistics(campaign)["data"]
    services.stop("postgres")
    ids = [server.click(campaign_id=campaign, click_date=when)["click_id"] for _ in range(50)]
    server.conversion(campaign_id=campaign, user_id=user, conversion_date=when, value=20)
    eventually(lambda: ready(server, 200, "degraded", postgres="down"), 15)
    assert server.metrics()["tyr_postgres_up"] == 0
    response = server.get("/api/campaigns/statistics", campaign_id=new_id())
    assert response.status_code == 503, "a campaign that PostgreSQL was not asked for is not 404"
    services.start("postgres")
    world.wait_processed()
    assert set(ids) <= stored_clicks(world)
    assert world.recount(campaign) == {when[:10]: (51, 1, 2000, 0, 0)}

    def agrees():
        row = next(r for r in server.statistics(campaign)["data"] if r["period"] == when[:10])
        return (row["total_clicks"], row["total_conversions"], row["total_value"]) == (51, 1, "20.00")

    eventually(agrees, 10, "statistics agree")
    eventually(lambda: ready(server, 200, "ready"), 15)


def test_late_events_that_keep_coming(world):
    """Journals that are never done with are no actor that hangs."""
    server = world.serve(ACTOR_STUCK_MS=8000, BATCH_LINGER_MS=5, WRITERS=4)
    campaigns = [new_id() for _ in range(20)]
    until, sent = time.monotonic() + 16, 0
    while time.monotonic() < until:
        assert server.is_running(), server.tail()
        server.batch([{"event": "click", **click_body(campaign_id=campaigns[(sent + i) % 20], click_date=rfc3339(
            now() - datetime.timedelta(days=1 + (sent + i) // 20 % 60)))} for i in range(400)])
        sent += 400
    world.wait_processed()
    assert server.is_running() and "hangs" not in server.log()


def test_postgres_killed(world):
    """PostgreSQL killed under load loses and repeats nothing."""
    services = world.services
    server = world.serve()
    load = Load(server, threads=4)
    eventually(lambda: len(load.accepted) > 300, 30)
    services.kill("postgres")
    before = len(load.accepted)
    eventually(lambda: len(load.accepted) > before + 300, 30, "events are accepted without PostgreSQL")
    services.start("postgres")
    before = len(load.accepted)
    eventually(lambda: len(load.accepted) > before + 300, 30)
    load.stop()
    assert not load.refused and not load.errors, (load.refused[:3], load.errors[:3])
    world.wait_processed()
    assert stored_clicks(world) == set(load.accepted)
    assert world.sql("SELECT sum(clicks) FROM click_buckets") == [(len(load.accepted),)]


def test_redis_away(world):
    """Without Redis, and after it came back empty, statistics are right; the counters come back by themselves."""
    services = world.services
    server = world.serve()
    campaign, when = new_id(), rfc3339(now())
    day = when[:10]

    def clicks():
        rows = server.statistics(campaign)["data"]
        return next((r["total_clicks"] for r in rows if r["period"] == day), 0)

    def add(count):
        for _ in range(count):
            server.click(campaign_id=campaign, click_date=when)
        world.wait_processed()
        total = world.recount(campaign)[day][0]
        eventually(lambda: clicks() == total, 1.5, f"{total} clicks")

    def keys():
        return [key for key in world.redis().keys("click_count:*") if campaign in key]

    add(5)
    eventually(keys, 10, "the counter is in Redis")
    assert world.redis().get(keys()[0]) == "5"
    services.stop("redis")
    add(5)
    eventually(lambda: ready(server, 200, "degraded", redis="down"), 10)
    assert server.metrics()["tyr_redis_up"] == 0
    assert clicks() == 10
    services.start("redis")
    assert clicks() == 10
    add(5)
    eventually(lambda: ready(server, 200, "ready"), 15)
    eventually(lambda: keys() and world.redis().get(keys()[0]) == "15", 15, "the counters are back")
    world.redis().flushdb()
    assert clicks() == 15
    eventually(lambda: keys() and world.redis().get(keys()[0]) == "15", 15, "the counters are back after FLUSHDB")


def test_redis_down_at_the_start(world):
    """Without Redis the program starts, serves right answers, and takes Redis up when it comes."""
    services = world.services
    world.migrate()
    services.stop("redis")
    server = world.serve()
    campaign = new_id()
    server.click(campaign_id=campaign)
    world.wait_processed()
    assert server.statistics(campaign)["data"][0]["total_clicks"] == 1
    ready(server, 200, "degraded", redis="down")
    services.start("redis")
    eventually(lambda: ready(server, 200, "ready"), 15)
