"""Counts of what the door did, in the text format that Prometheus reads.

Labels come from closed sets (rules, actions, status codes); no principal, name or value of a
client becomes a label, so that nobody can grow the number of series.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from hauberk.guard.judging import Shadows

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

TOKENS = tuple(4**n for n in range(14))
"""Bounds that the conventions for language models advise."""

_MAX_SERIES = 500
"""Rules are constants of ours; the bound holds even if one of them were not."""

MAX_MODELS = 50
"""Language models are told apart up to so many; clients may name any where policy lets them."""

OTHER = "_OTHER"


@dataclass(slots=True)
class Histogram:
    """How often values fell between bounds, and what they add up to."""

    bounds: tuple[float, ...] = BUCKETS_S
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def take(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True, kw_only=True)
class Calls:
    """Calls of language models, as the conventions of OpenTelemetry count them.

    Attributes:
        seconds: By the model asked for and what went wrong (empty: nothing).
        tokens: By the model asked for and ``input`` or ``output``.
    """

    seconds: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    tokens: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)

    def ended(self, model: str, error: str, seconds: float, usage: tuple[int, int]) -> None:
        """Count one call."""
        if model not in self.models and len(self.models) >= MAX_MODELS:
            model = OTHER
        self.models.add(model)
        self.seconds.setdefault((model, error), Histogram()).take(seconds)
        for kind, count in zip(("input", "output"), usage, strict=True):
            if count > 0:
                self.tokens.setdefault((model, kind), Histogram(TOKENS)).take(count)


@dataclass(slots=True, kw_only=True)
class Metrics:
    """Running counts; written from the event loop only.

    Attributes:
        latency: By method, route (empty: none of ours) and status.
    """

    model: str
    version: str
    profile: str = ""
    revision: int = 1
    by_status: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    shadows: Shadows = field(default_factory=Shadows)
    rows: int = 0
    in_flight: int = 0
    audit_lost: int = 0
    reload_failed: int = 0
    latency: dict[tuple[str, str, int], Histogram] = field(default_factory=dict)
    calls: Calls = field(default_factory=Calls)

    def answered(self, status: int, seconds: float, method: str = "POST", route: str = "") -> None:
        """Count one answer."""
        self.by_status[status] += 1
        found = self.latency.get((method, route, status))
        if found is None:
            found = self.latency[method, route, status] = Histogram()
        found.take(seconds)

    def refuse(self, rule: str) -> None:
        """Count one refusal by its rule."""
        self.refused[
            rule if rule in self.refused or len(self.refused) < _MAX_SERIES else "other"
        ] += 1

    def lines(self) -> Iterator[str]:
        """What came, for people."""
        yield f"answered: {sum(self.by_status.values())} requests, {self.rows} rows"
        for rule, n in sorted(self.refused.items()):
            yield f"refused: {rule}: {n}"
        yield from self.shadows.lines()

    def text(self) -> str:
        """All counts."""
        lines = [
            *_family(
                "hauberk_requests_total",
                "counter",
                "Answers by status.",
                [(f'{{status="{code}"}}', n) for code, n in sorted(self.by_status.items())],
            ),
            *_family(
                "hauberk_refused_total",
                "counter",
                "Refusals by rule.",
                [(f'{{rule="{_escaped(rule)}"}}', n) for rule, n in sorted(self.refused.items())],
            ),
            *_family(
                "hauberk_shadowed_total",
                "counter",
                "What controls in shadow would have done.",
                self._acts(obeyed=False),
            ),
            *_family(
                "hauberk_acted_total",
                "counter",
                "What promoted controls on exchanges did.",
                self._acts(obeyed=True),
            ),
            *_family("hauberk_rows_total", "counter", "Rows answered.", [("", self.rows)]),
            *_family(
                "hauberk_in_flight", "gauge", "Requests being answered.", [("", self.in_flight)]
            ),
            *_family(
                "hauberk_audit_lost_total",
                "counter",
                "Decisions that the log did not take.",
                [("", self.audit_lost)],
            ),
            *_family(
                "hauberk_reload_failed_total",
                "counter",
                "Policies, keys and versions that could not be taken; the old ones went on.",
                [("", self.reload_failed)],
            ),
            *_family(
                "hauberk_model_info",
                "gauge",
                "The served model.",
                [(f'{{model="{_escaped(self.model)}",version="{_escaped(self.version)}"}}', 1)],
            ),
            *_family(
                "hauberk_policy_info",
                "gauge",
                "The serving policy.",
                [(f'{{profile="{_escaped(self.profile)}",revision="{self.revision}"}}', 1)],
            ),
            *self._histogram(),
        ]
        return "\n".join(lines) + "\n"

    def _acts(self, *, obeyed: bool) -> list[tuple[str, int]]:
        return [
            (f'{{control="{_escaped(control)}",action="{action}"}}', n)
            for (control, action, was), n in sorted(self.shadows.counts.items())
            if was is obeyed
        ]

    def _histogram(self) -> list[str]:
        name = "hauberk_request_seconds"
        found = list(self.latency.values())
        counts = [sum(column) for column in zip(*(one.counts for one in found), strict=True)]
        totals = list(accumulate(counts or [0] * (len(BUCKETS_S) + 1)))
        bounds = [*(str(bound) for bound in BUCKETS_S), "+Inf"]
        return [
            f"# HELP {name} Time from headers to answer.",
            f"# TYPE {name} histogram",
            *(f'{name}_bucket{{le="{le}"}} {n}' for le, n in zip(bounds, totals, strict=True)),
            f"{name}_sum {sum(one.total for one in found)}",
            f"{name}_count {totals[-1]}",
        ]


def _family(name: str, kind: str, text: str, series: list[tuple[str, int]]) -> list[str]:
    head = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    return head + [f"{name}{labels} {value}" for labels, value in series]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def merged(texts: Iterable[str]) -> str:
    """One page of the pages of several workers: what they count is added up.

    Gauges that say what is served (``_info``) are the same for all and stay 1; a state that fails
    for one worker fails.
    """
    heads: dict[str, list[str]] = {}
    series: dict[str, dict[str, float]] = {}
    for text in texts:
        family = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ")[2]
                heads.setdefault(family, [line])
            elif line.startswith("# TYPE "):
                if len(heads[family]) == 1:
                    heads[family].append(line)
            elif line.strip():
                name, _, value = line.rpartition(" ")
                values = series.setdefault(family, {})
                is_state = family.endswith(("_info", "_failing"))
                had = values.get(name, 0.0)
                values[name] = max(had, float(value)) if is_state else had + float(value)
    lines = []
    for family, head in heads.items():
        lines += head
        lines += [f"{name} {_number(value)}" for name, value in series.get(family, {}).items()]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
