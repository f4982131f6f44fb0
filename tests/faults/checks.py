"""
The checks at the end of a schedule, by SQL, Redis commands and HTTP alone.

Each check takes a stage and says what it found wrong. What the tables hold is judged at once; what follows
from them within moments (counters, journals, answers) is given a few seconds to become right, and judged then.
"""

import collections
import datetime
import re
import time
import typing

import reference
import requests
from ledger import Adjustment, Event
from stage import harness

import attribution  # of tests/integration, which stage adds to the path

FOLLOW_S = 10 * harness.SLOW           # how long counters, journals and answers may lag
FRESH_S = 5 * harness.SLOW             # how long fresh events may take when all is well
THREADS_SLACK, FILES_SLACK = 6, 80

MS = "(extract(epoch FROM {}) * 1000)::bigint"
DAY = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
QUARTER = "date_bin('15 minutes', {}, '2000-01-01Z')"


class Finding(typing.NamedTuple):
    """Something wrong: how many events were 'lost' or 'doubled', or are 'wrong' in another way."""
    what: str
    count: int
    text: str


def _few(things):
    """The first of many things as text."""
    things = sorted(things, key=str)
    return ", ".join(str(thing) for thing in things[:3]) + (" ..." if len(things) > 3 else "")


def _wrong(text, things):
    """A finding, or none where there are no things."""
    return [Finding("wrong", len(things), f"{text}: {_few(things)}")] if things else []


# --- the stored events ---------------------------------------------------------------------------

def stored_events(stage):
    """Every row of the event tables as an event, and {(conversion id, ms): (click id, ms) or None}."""
    sql = stage.world.sql
    clicks = [Event("click", *row) for row in sql(
        f"SELECT click_id::text, {MS.format('click_date')}, user_id::text, campaign_id::text, source"
        " FROM click_events")]
    conversions, earned = [], {}
    for *row, click, click_ms in sql(
            f"SELECT conversion_id::text, {MS.format('conversion_date')}, user_id::text, campaign_id::text, source,"
            f" type, value_minor, click_id::text, {MS.format('click_date')} FROM conversion_events"):
        event = Event("conversion", *row)
        conversions.append(event)
        earned[event.id, event.ms] = (click, click_ms) if click else None
    adjustments = [Adjustment(*row) for row in sql(
        f"SELECT adjustment_id::text, {MS.format('adjustment_date')}, user_id::text, conversion_id::text, change,"
        " amount_minor FROM adjustment_events")]
    return clicks + conversions + adjustments, earned


def check_ledger(stage):
    """Every acknowledged event is stored once and as it was sent; nothing else is stored."""
    stored, _ = stored_events(stage)
    entries = stage.ledger.entries()
    by_identity = {event.identity: event for event in stored}
    times = collections.Counter((event.kind, event.id) for event in stored)
    lost = [identity for identity, entry in entries.items()
            if entry.acknowledged_at is not None and identity not in by_identity]
    doubled = [key for key, n in times.items() if n > 1]
    findings = []
    if lost:
        findings.append(Finding("lost", len(lost), f"acknowledged and not stored: {_few(lost)}"))
    if doubled:
        findings.append(Finding("doubled", len(doubled), f"stored more than once: {_few(doubled)}"))
    findings += _wrong("stored and never sent", [i for i in by_identity if i not in entries])
    findings += _wrong("stored otherwise than sent", [
        (event, entries[i].event) for i, event in by_identity.items()
        if i in entries and event != entries[i].event])
    return findings


def check_attribution(stage):
    """Every conversion has the click that the reference gives it."""
    stored, earned = stored_events(stage)
    expected = reference.last_clicks(stored)
    return _wrong("conversions with another click (stored, expected)", [
        (key, earned.get(key), click) for key, click in expected.items() if earned.get(key) != click])


def reference_credits(stage):
    """{conversion: {model: {click: credit}}} of everything stored, by the slow and obvious way."""
    rules = attribution.Rules([attribution.Window(None, None, attribution.ALWAYS, reference.WINDOW_MS)],
                              [attribution.ModelRules(attribution.ALWAYS)])
    stored, _ = stored_events(stage)
    clicks = collections.defaultdict(list)
    for event in stored:
        if event.kind == "click":
            clicks[event.user].append(event)
    return {event: attribution.credits_of(event, clicks[event.user], rules)
            for event in stored if event.kind == "conversion"}


def reference_worth(stage):
    """{conversion: value} of everything stored, by the slow and obvious way; None: it is cancelled."""
    stored, _ = stored_events(stage)
    adjustments = collections.defaultdict(list)
    for event in stored:
        if event.kind == "adjustment":
            adjustments[event.conversion].append(event)
    return {event: attribution.worth(event, adjustments[event.id]) for event in stored if event.kind == "conversion"}


def check_adjustments(stage):
    """Every conversion is worth what its adjustments make of it."""
    stored = {(conversion, ms): None if cancelled else value for conversion, ms, value, cancelled in stage.world.sql(
        f"SELECT conversion_id::text, {MS.format('conversion_date')}, coalesce(adjusted_minor, value_minor),"
        " is_cancelled FROM conversion_events")}
    return _wrong("conversions worth something else (stored, expected)", [
        (v, stored[v.id, v.ms], worth) for v, worth in reference_worth(stage).items() if stored[v.id, v.ms] != worth])


def check_credits(stage):
    """Every model credits what the reference says, and the buckets are what that adds up to."""
    expected = reference_credits(stage)
    stored = collections.defaultdict(lambda: {name: {} for name in attribution.MODELS})
    for conversion, ms, name, click, click_ms, credit in stage.world.sql(
            f"SELECT conversion_id::text, {MS.format('conversion_date')}, model, click_id::text,"
            f" {MS.format('click_date')}, credit FROM conversion_credits WHERE credit <> 0"):
        stored[conversion, ms][name][click, click_ms] = credit
    wanted = {(v.id, v.ms): {name: {(c.id, c.ms): n for c, n in credits.items()} for name, credits in models.items()}
              for v, models in expected.items()}
    cells = {(*row[:4], int(row[4])): tuple(int(n) for n in row[5:])
             for row in stage.world.sql(ALL_CONVERSION_BUCKETS)}
    return (_wrong("conversions with other credits (stored, expected)", [
                (key, stored[key], models) for key, models in wanted.items() if stored[key] != models])
            + _compare("buckets of all models", cells, attribution.buckets(expected, reference_worth(stage))))


# --- what is summed up from them -----------------------------------------------------------------

RECOUNT_CLICKS = ("SELECT campaign_id::text, source, {quarter}::text, count(*)"
                  " FROM click_events GROUP BY 1, 2, 3").format(quarter=QUARTER.format("click_date"))
CLICK_BUCKETS = ("SELECT campaign_id::text, source, bucket::text, sum(clicks)"
                 " FROM click_buckets GROUP BY 1, 2, 3 HAVING sum(clicks) <> 0")
RECOUNT_CONVERSIONS = (
    "SELECT campaign_id::text, source, type, {quarter}::text, count(click_id) * 1000000,"
    " coalesce(sum(coalesce(adjusted_minor, value_minor)) FILTER (WHERE click_id IS NOT NULL), 0),"
    " count(*) - count(click_id), coalesce(sum(coalesce(adjusted_minor, value_minor)) FILTER (WHERE click_id IS NULL), 0)"
    " FROM conversion_events WHERE NOT is_cancelled GROUP BY 1, 2, 3, 4").format(quarter=QUARTER.format("conversion_date"))
ALL_CONVERSION_BUCKETS = (
    "SELECT campaign_id::text, source, type, model, extract(epoch FROM bucket) * 1000, sum(credit), sum(value_minor),"
    " sum(unattributed), sum(unattributed_value_minor) FROM conversion_buckets GROUP BY 1, 2, 3, 4, 5"
    " HAVING sum(credit) <> 0 OR sum(value_minor) <> 0 OR sum(unattributed) <> 0 OR sum(unattributed_value_minor) <> 0")
CONVERSION_BUCKETS = (
    "SELECT campaign_id::text, source, type, bucket::text, sum(credit), sum(value_minor), sum(unattributed),"
    " sum(unattributed_value_minor) FROM conversion_buckets WHERE model = 'last_click' GROUP BY 1, 2, 3, 4"
    " HAVING sum(credit) <> 0 OR sum(unattributed) <> 0")
RECOUNT_DAYS = (
    "SELECT campaign_id::text, day, sum(clicks), sum(conversions), sum(value), sum(unattributed), sum(rest) FROM ("
    " SELECT campaign_id, {click_day} AS day, 1 AS clicks, 0 AS conversions, 0 AS value, 0 AS unattributed,"
    " 0 AS rest FROM click_events"
    " UNION ALL SELECT campaign_id, {conversion_day}, 0, (click_id IS NOT NULL)::int,"
    " CASE WHEN click_id IS NULL THEN 0 ELSE coalesce(adjusted_minor, value_minor) END, (click_id IS NULL)::int,"
    " CASE WHEN click_id IS NULL THEN coalesce(adjusted_minor, value_minor) ELSE 0 END FROM conversion_events"
    " WHERE NOT is_cancelled"
    ") AS events GROUP BY 1, 2").format(click_day=DAY.format("click_date"),
                                        conversion_day=DAY.format("conversion_date"))
DAY_SHARES = (
    "SELECT campaign_id::text, day::text, sum(clicks), sum(conversions), sum(value_minor), sum(unattributed),"
    " sum(unattributed_value_minor) FROM day_shares GROUP BY 1, 2"
    " HAVING sum(clicks) <> 0 OR sum(conversions) <> 0 OR sum(unattributed) <> 0")
JOURNALS = (
    "SELECT campaign_id::text, day::text, clicks, conversions, value_minor, unattributed, unattributed_value_minor"
    " FROM campaign_journals WHERE clicks <> 0 OR conversions <> 0 OR unattributed <> 0")
STATISTICS = (
    "SELECT campaign_id::text, period_kind, period::text, clicks, conversions, value_minor, unattributed,"
    " unattributed_value_minor FROM campaign_statistics WHERE clicks <> 0 OR conversions <> 0 OR unattributed <> 0")
TOTALS = 5              # clicks, conversions, value, unattributed, its value


def _sums(stage, statement, numbers):
    """Rows as {key: numbers}."""
    return {tuple(row[:-numbers]): tuple(int(n) for n in row[-numbers:]) for row in stage.world.sql(statement)}


def _compare(name, found, expected):
    """Findings where two {key: numbers} differ; more clicks than there are were counted twice."""
    zero = (0,) * len(next(iter(expected.values()), (0,)))
    differing = [(key, found.get(key, zero), expected.get(key, zero)) for key in found.keys() | expected.keys()
                 if found.get(key, zero) != expected.get(key, zero)]
    if not differing:
        return []
    text = f"{name} (found, expected): {_few(differing)}"
    surplus = sum(n[0] for n in found.values()) - sum(n[0] for n in expected.values())
    return [Finding("doubled" if surplus > 0 else "wrong", len(differing), text)]


def days(stage):
    """The recount: {(campaign, day): totals}."""
    return _sums(stage, RECOUNT_DAYS, TOTALS)


def check_buckets(stage):
    """Buckets and shares are what a recount of the events says."""
    return (_compare("click buckets", _sums(stage, CLICK_BUCKETS, 1), _sums(stage, RECOUNT_CLICKS, 1))
            + _compare("conversion buckets", _sums(stage, CONVERSION_BUCKETS, 4),
                       _sums(stage, RECOUNT_CONVERSIONS, 4))
            + _compare("day shares", _sums(stage, DAY_SHARES, TOTALS), days(stage)))


def _period(kind, day):
    """The week's Monday or the month's first day."""
    date = datetime.date.fromisoformat(day)
    return str(date - datetime.timedelta(days=date.weekday()) if kind == "weekly" else date.replace(day=1))


def _periods(by_day, kind):
    """{(campaign, period): totals} of {(campaign, day): totals}."""
    sums = {}
    for (campaign, day), totals in by_day.items():
        key = campaign, _period(kind, day)
        sums[key] = tuple(a + b for a, b in zip(sums.get(key, (0,) * TOTALS), totals))
    return sums


def check_journals(stage):
    """Journals of closed days are what a recount says, weeks and months what the journals add up to."""
    closed = stage.world.sql("SELECT to_char(greatest(closed_through, '1970-01-01'), 'YYYY-MM-DD')"
                             " FROM journal_state")[0][0]
    expected = {key: totals for key, totals in days(stage).items() if key[1] <= closed}
    journals = {key: totals for key, totals in _sums(stage, JOURNALS, TOTALS).items() if key[1] <= closed}
    periods = {(campaign, kind, period): totals for kind in ("weekly", "monthly")
               for (campaign, period), totals in _periods(expected, kind).items()}
    return (_compare("journals", journals, expected)
            + _compare("weeks and months", _sums(stage, STATISTICS, TOTALS), periods))


def check_redis(stage):
    """Redis holds today, and whatever it holds is what a recount says."""
    names = ("click_count", "conversion_count", "conversion_value", "unattributed_count", "unattributed_value")
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    redis = stage.world.redis()
    expected = days(stage)
    held = {tuple(key.split(":")[1:]) for key in redis.keys("click_count:*")}
    wanted = held | {key for key in expected if key[1] == today}
    found = {}
    for campaign, day in wanted:
        values = redis.mget([f"{name}:{campaign}:{day}" for name in names])
        found[campaign, day] = tuple(-1 if value is None else int(value) for value in values)
    redis.close()
    return _compare("Redis", found, {key: expected.get(key, (0,) * TOTALS) for key in wanted})


def _answer(slot, campaign, group_by):
    response = requests.get(f"http://{slot.address}/api/campaigns/statistics",
                            params={"campaign_id": campaign, "group_by": group_by}, timeout=10)
    if response.status_code != 200:
        return {(campaign, f"status {response.status_code}"): (-1,) * TOTALS}
    answer = {}
    for row in response.json()["data"]:
        value, rest = (int(row[name].replace(".", "")) for name in ("total_value", "unattributed_value"))
        answer[campaign, row["period"]] = (row["total_clicks"], row["total_conversions"], value,
                                           row["unattributed_conversions"], rest)
    return answer


def check_answers(stage):
    """Every instance answers what a recount says, by day, week and month."""
    by_day = days(stage)
    by_month = {(campaign, month[:7]): totals for (campaign, month), totals in _periods(by_day, "monthly").items()}
    expected = {"daily": by_day, "weekly": _periods(by_day, "weekly"), "monthly": by_month}
    campaigns = {campaign for campaign, _ in by_day}
    findings = []
    for slot in stage.slots:
        for group_by, wanted in expected.items():
            answers = {}
            for campaign in campaigns:
                answers |= _answer(slot, campaign, group_by)
            findings += _compare(f"{group_by} answers of {slot.address}", answers, wanted)
    return findings


# --- what became of every message ----------------------------------------------------------------

def check_messages(stage):
    """Every message up to the end of each partition was stored, a duplicate or a dead letter; none is missing."""
    ends = {kind: stage.world.end_offsets(kind) for kind in harness.KINDS}
    rows = stage.world.sql("SELECT partition, first_offset, next_offset, high_offset, stored, duplicate,"
                           " dead_lettered, gaps FROM partition_fences ORDER BY 1")
    wrong = []
    sums = {what: [0] * len(harness.KINDS) for what in ("stored", "dead")}
    for partition, first, following, high, stored, duplicate, dead, gaps in rows:
        for i, kind in enumerate(harness.KINDS):
            end = ends[kind][partition]
            start = max(first[i], 0)
            read = max(following[i], 0) - start
            if (read != stored[i] + duplicate[i] + dead[i] + gaps[i] or gaps[i] != 0 or start != 0
                    or max(following[i], 0) != end or high[i] != following[i]):
                wrong.append(f"{kind} {partition}: first {first[i]}, next {following[i]}, high {high[i]}, end {end},"
                             f" stored {stored[i]}, duplicate {duplicate[i]}, dead {dead[i]}, gaps {gaps[i]}")
            sums["stored"][i] += stored[i]
            sums["dead"][i] += dead[i]
    for i, kind in enumerate(harness.KINDS):
        table = stage.world.sql(f"SELECT count(*) FROM {kind}_events")[0][0]
        letters = stage.world.sql("SELECT count(*) FROM dead_letters WHERE topic = %s",
                                  stage.world.topics[kind])[0][0]
        if (sums["stored"][i], sums["dead"][i]) != (table, letters):
            wrong.append(f"{kind}: fences say {sums['stored'][i]} stored and {sums['dead'][i]} dead,"
                         f" the tables {table} and {letters}")
    return _wrong("messages not accounted for", wrong)


def check_dead_letters(stage):
    """Dead letters are exactly what was put into the topics by hand, whole."""
    letters = {(topic, partition, offset): (bytes(key or b""), bytes(payload or b""))
               for topic, partition, offset, key, payload in stage.world.sql(
                   'SELECT topic, partition, "offset", key, payload FROM dead_letters')}
    junk = {(j.topic, j.partition, j.offset): (j.key, j.payload) for j in stage.junk}
    return (_wrong("dead letters nobody put there", [(k, v) for k, v in letters.items() if k not in junk])
            + _wrong("unreadable messages that are no dead letters", [k for k in junk if k not in letters])
            + _wrong("dead letters that are not whole", [
                (k, letters[k], v) for k, v in junk.items() if k in letters and letters[k] != v]))


def check_rebuilt(stage):
    """The log alone, read anew beside the live tables, gives the same tables: the program's own replay says so."""
    done = stage.world.run("replay", "--into", "rebuilt", "--drop-first", "--drop", **stage.options)
    return _wrong("rebuilt from the log", [done.stdout + done.stderr] if done.returncode != 0 else [])


# --- the processes -------------------------------------------------------------------------------

def check_unexpected(stage):
    """No client got an answer that its event should not get."""
    return _wrong("answers that no event should get", stage.ledger.unexpected)


def check_fresh(stage, fresh):
    """Fresh events pass."""
    seconds = fresh.pass_through(FRESH_S)
    return [] if seconds is not None else [Finding("wrong", 1, f"fresh events did not pass within {FRESH_S:g} s")]


def check_processes(stage):
    """Every instance answers, holds nothing back, leaks nothing, and has no report in its log."""
    wrong = []
    for slot in stage.slots:
        if slot.admin_status("/livez") != 200:
            wrong.append(f"{slot.admin} /livez: {slot.admin_status('/livez')}")
        metrics = slot.metrics()
        full = {name: value for name, value in metrics.items() if name.startswith("tyr_mailbox_depth") and value}
        if full:
            wrong.append(f"{slot.admin}: mailboxes at rest {full}")
        threads = metrics.get("tyr_process_threads", 0) - slot.threads_at_start
        files = metrics.get("tyr_process_open_fds", 0) - slot.files_at_start
        if slot.threads_at_start and (threads > THREADS_SLACK or files > FILES_SLACK):
            wrong.append(f"{slot.admin}: {threads:g} more threads and {files:g} more files than at the start")
    for server in stage.world.servers:
        wrong += [f"{server.cwd.name}: {report}" for report in harness.check_log(server.log())]
        wrong += [f"{server.cwd.name}: {line}" for line in re.findall(r".*\bbug:.*", server.log())]
    backends = stage.world.sql("SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
                               " AND application_name LIKE 'tyrattribution%%'", stage.world.name)[0][0]
    if backends > 10 * len(stage.slots):
        wrong.append(f"{backends} connections to PostgreSQL for {len(stage.slots)} instances")
    return _wrong("processes", wrong)


# --- all of them ---------------------------------------------------------------------------------

AT_ONCE = (check_unexpected, check_ledger, check_attribution, check_adjustments, check_credits,
           check_buckets, check_messages, check_dead_letters)
FOLLOWING = (check_answers, check_redis, check_journals, check_rebuilt, check_processes)


def following(check, stage):
    """What a check finds when it was given time."""
    deadline = time.monotonic() + FOLLOW_S
    while True:
        try:
            findings = check(stage)
        except requests.RequestException as error:
            findings = [Finding("wrong", 1, f"{check.__name__}: {error}")]
        if not findings or time.monotonic() > deadline:
            return findings
        time.sleep(0.1)


def all_checks(stage, fresh):
    """Everything that is wrong."""
    findings = check_fresh(stage, fresh)
    stage.world.wait_processed(15)
    for check in AT_ONCE:
        findings += check(stage)
    for check in FOLLOWING:
        findings += following(check, stage)
    return findings
