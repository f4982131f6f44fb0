"""What every model must credit and what adjustments make of values, computed the slow and obvious way from a list of events and dated settings.

Shares no code and no query with the program: exact fractions, all clicks tried against all conversions.
"""

import collections
import decimal
import fractions
import typing

MODELS = ("last_click", "first_click", "linear", "position_based", "time_decay", "last_non_direct")
WHOLE = 1_000_000
NIL = "00000000-0000-0000-0000-000000000000"
ALWAYS = float("-inf")


class Window(typing.NamedTuple):
    """From from_ms on, for a campaign and a type, or for all (None); without a length the wider rule holds."""
    campaign: str
    type: str
    from_ms: float
    lookback_ms: int


class ModelRules(typing.NamedTuple):
    """What the models use from from_ms on."""
    from_ms: float
    first_ppm: int = 400_000
    last_ppm: int = 400_000
    half_life_ms: int = 7 * 24 * 3_600_000
    path_max: int = 200
    is_narrowed: bool = False
    direct: tuple = ("direct", "(direct)", "(none)")


class Rules:
    """Dated settings."""

    def __init__(self, windows, models):
        self.windows, self.models = windows, models

    def lookback_ms(self, campaign, kind, ms):
        """The most specific window in force."""
        for key in ((campaign, kind), (campaign, None), (None, kind), (None, None)):
            in_force = [w for w in self.windows if (w.campaign, w.type) == key and w.from_ms <= ms]
            latest = max(in_force, key=lambda w: w.from_ms, default=None)
            if latest and latest.lookback_ms is not None:
                return latest.lookback_ms
        raise AssertionError("no window")

    def of(self, ms):
        """The models' settings in force."""
        return max((m for m in self.models if m.from_ms <= ms), key=lambda m: m.from_ms)


def share(total, weights):
    """Largest remainder; the later of equals first."""
    exact = [fractions.Fraction(total) * w / sum(weights) for w in weights]
    shares = [e.numerator // e.denominator for e in exact]
    order = sorted(range(len(exact)), key=lambda i: (exact[i] - shares[i], i), reverse=True)
    for i in order[:total - sum(shares)]:
        shares[i] += 1
    return shares


def decay(age_ms, half_life_ms):
    """2^(-age / half-life), far beyond what a part per million can see."""
    with decimal.localcontext() as context:
        context.prec = 60
        return fractions.Fraction(decimal.Decimal(2) ** (-decimal.Decimal(age_ms) / half_life_ms))


def position_weights(n, rules):
    """First, those between, last."""
    if n == 1:
        return [1]
    if n == 2:
        return [rules.first_ppm, rules.last_ppm] if rules.first_ppm + rules.last_ppm else [1, 1]
    between = fractions.Fraction(WHOLE - rules.first_ppm - rules.last_ppm, n - 2)
    return [rules.first_ppm, *[between] * (n - 2), rules.last_ppm]


def fits(conversion, click):
    """The campaign and source that a conversion gives."""
    return (conversion.campaign in (NIL, click.campaign)) and (conversion.source in ("", click.source))


def credits_of(conversion, clicks, rules, named=None):
    """{model: {click: credit}} of a conversion, from all clicks of its user; a model that credits none has {}."""
    settings = rules.of(conversion.ms)
    touches = sorted((c for c in clicks if conversion.ms - rules.lookback_ms(c.campaign, conversion.type, conversion.ms)
                      <= c.ms <= conversion.ms and (not settings.is_narrowed or fits(conversion, c))),
                     key=lambda c: (c.ms, c.id))
    path = touches[-settings.path_max:]
    result = {model: {} for model in MODELS}
    last = [c for c in path if fits(conversion, c)][-1:]
    own = [c for c in clicks if c.id == named and c.ms <= conversion.ms]
    if own:
        last = [max(own, key=lambda c: c.ms)]
    result["last_click"] = {c: WHOLE for c in last}
    if not path:
        return result
    result["first_click"] = {touches[0]: WHOLE}
    shares = {"linear": [1] * len(path), "position_based": position_weights(len(path), settings),
              "time_decay": [decay(path[-1].ms - c.ms, settings.half_life_ms) for c in path]}
    for model, weights in shares.items():
        result[model] = {c: n for c, n in zip(path, share(WHOLE, weights)) if n}
    result["last_non_direct"] = {([c for c in path if c.source not in settings.direct] or path)[-1]: WHOLE}
    return result


def worth(conversion, adjustments):
    """The value that counts, of a conversion and all adjustments there are; None: it is cancelled."""
    own = [a for a in adjustments if (a.conversion, a.user) == (conversion.id, conversion.user)]
    if any(a.change == "cancel" for a in own):
        return None
    value = conversion.value_minor
    for a in sorted(own, key=lambda a: (a.ms, a.id)):
        value = a.value_minor if a.change == "value" else value
    return max(0, value - sum(a.value_minor for a in own if a.change == "refund"))


def buckets(credits_by_conversion, worth_by_conversion):
    """{(campaign, source, type, model, bucket): [credit, value, unattributed, its value]} without empty ones."""
    cells = collections.defaultdict(lambda: [0, 0, 0, 0])
    for v, value_minor in worth_by_conversion.items():
        if value_minor is None:
            continue
        for model, credits in credits_by_conversion[v].items():
            where = v.type, model, v.ms - v.ms % 900_000
            if not credits:
                cell = cells[v.campaign, v.source, *where]
                cell[2] += 1
                cell[3] += value_minor
                continue
            ordered = sorted(credits, key=lambda c: (c.ms, c.id))
            for click, value in zip(ordered, share(value_minor, [credits[c] for c in ordered])):
                cell = cells[click.campaign, click.source, *where]
                cell[0] += credits[click]
                cell[1] += value
    return {key: tuple(cell) for key, cell in cells.items() if any(cell)}
