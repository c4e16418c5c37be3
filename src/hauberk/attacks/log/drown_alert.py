"""Alerts by the thousand around one that should not be seen: see `DrownAlert`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

_RULES = (
    "one meaning per request",
    "values are finite",
    "no unknown field",
    "shape fits the schema",
    "budget of a principal",
    "depth of the body",
    "names of the schema",
    "type of a tensor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrownAlert(Transform[LogSegment]):
    """Send malformed requests from many keys, all hour long, around one real deed.

    Each is refused, and each refusal is an alert. The flood begins before the deed and goes on
    behind it, breaks many different rules, and comes from so many keys that grouping by
    sender alone leaves thousands of groups. The attacker also sets off the other detectors
    that can be set off by anybody.

    Args:
        per_hour: Alerts within an hour.
        n_keys: Senders.
        decoys: Kinds of detectors in shadow that the flood sets off as well.

    References:
        MITRE ATLAS AML.T0046 (chaff data); MITRE ATT&CK T1562; Patton, Yurcik and Doss
        (2001), An Achilles' heel in signature-based IDS: squealing false positives in SNORT.
    """

    title: ClassVar[str] = "Drown an alert in others"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("MO-4"),)
    subject: ClassVar[type] = LogSegment

    per_hour: int = 10_000
    n_keys: int = 2_000
    decoys: tuple[str, ...] = ("exchange/foreign-inputs", "exchange/similar-queries")

    def apply(self, subject: LogSegment, rng: Random) -> Attacked[LogSegment]:
        """The log with the flood sorted into it; ``rows`` are what was there before."""
        own = [(_time(record), record) for record in subject.records()]
        times = [at for at, _ in own if at is not None]
        if not times:
            return Attacked(subject=subject)
        start, end = min(times), max(times)
        n = int(self.per_hour * max(end - start, 1.0) / 3600)
        flood = [self._refused(start + (end - start) * rng.random(), rng) for _ in range(n)]
        flood.sort(key=lambda item: item[0])
        merged, kept = _merged(own, flood)
        twin = replace(subject, records=lambda: iter(merged), heads=(), witnessed=(), until=None)
        return Attacked(subject=twin, rows=kept)

    def _refused(self, at: float, rng: Random) -> tuple[float, bytes]:
        key = f"key:{rng.randrange(self.n_keys):016x}"
        is_decoy = bool(self.decoys) and rng.random() < 1 / 20
        value = {
            "kind": "decision",
            "at": round(at, 6),
            "model": "model",
            "principal": key,
            "action": "allow" if is_decoy else "block",
            "rule": "" if is_decoy else rng.choice(_RULES),
            "status": 200 if is_decoy else 400,
            "rows": 0,
            "latency_us": 300,
            "shadow": [rng.choice(self.decoys)] if is_decoy else [],
        }
        return at, json.dumps(value, sort_keys=True).encode()


def _merged(
    own: list[tuple[float | None, bytes]], flood: list[tuple[float, bytes]]
) -> tuple[list[bytes], tuple[int, ...]]:
    """Both in the order of time; where the own ones came to stand."""
    merged: list[bytes] = []
    kept, place = [], 0
    for at, record in own:
        while at is not None and place < len(flood) and flood[place][0] <= at:
            merged.append(flood[place][1])
            place += 1
        kept.append(len(merged))
        merged.append(record)
    merged += [record for _, record in flood[place:]]
    return merged, tuple(kept)


def _time(record: bytes) -> float | None:
    try:
        value: Any = json.loads(record)
        return float(value["at"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
