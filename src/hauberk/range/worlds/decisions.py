"""An hour of a guard's decisions: honest clients, and one who copies the model."""

from __future__ import annotations

from random import Random

from hauberk.core.artifact import LogSegment
from hauberk.trust.canonical import canonical_json

START = 1_700_000_000.0
HOUR_S = 3600
DEED = "exchange/model-extraction"
THIEF = "key:7415f5a1b0c2d3e4"


def decided_hour(seed: int, *, deed: bool = True, gap_s: float = 5.0) -> LogSegment:
    """Requests every few seconds; from some moment on a detector in shadow sees one sender.

    Args:
        deed: Whether somebody copies the model, which is seen three times.
    """
    rng = Random(seed)
    records: list[tuple[float, bytes]] = []
    at = START
    while (at := at + rng.expovariate(1 / gap_s)) < START + HOUR_S:
        is_bad = rng.random() < 1 / 100
        who = f"key:{rng.randrange(40):016x}"
        records.append((at, _record(at, who, rule="values are finite" if is_bad else "")))
    if deed:
        first = START + rng.uniform(600, HOUR_S - 600)
        seen = [first + number * 40 for number in range(3)]
        records += [(at, _record(at, THIEF, shadow=[DEED])) for at in seen]
    lines = [record for _, record in sorted(records)]
    return LogSegment(name=f"decisions-{seed}", records=lambda: iter(lines), heads=())


def _record(at: float, who: str, *, rule: str = "", shadow: list[str] | None = None) -> bytes:
    return canonical_json(
        {
            "kind": "decision",
            "at": round(at, 6),
            "model": "model",
            "principal": who,
            "request": "",
            "response": "",
            "action": "block" if rule else "allow",
            "rule": rule,
            "status": 400 if rule else 200,
            "rows": 1,
            "latency_us": 400,
            "shadow": shadow or [],
        }
    )
