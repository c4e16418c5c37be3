"""Measured figures: what the range wrote, held against the targets.

``figures/<ID>.json`` holds the scores of one threat. A score counts for the part with its
metric and strength, and only while that part still has the target that the score was
judged by; otherwise the part is shown as not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hauberk.catalogue.fields import broken
from hauberk.core.attack import Score
from hauberk.core.threat import Comparison, Target, Threat, ThreatId

FOLDER = Path(__file__).parent / "figures"
MAX_FILE_BYTES = 1024 * 1024  # a figure has tens of parts of half a kilobyte
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One target with what was measured of it, if anything was."""

    target: Target
    score: Score | None = None

    @property
    def met(self) -> bool | None:
        """``None`` where it is not measured, or cannot be told."""
        return self.score.met if self.score else None

    @property
    def measured(self) -> bool:
        """Whether there is a value; a void row has none."""
        return self.score is not None and self.score.value is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """All parts of a threat's figure."""

    parts: tuple[Part, ...]

    @property
    def measured(self) -> bool:
        """Whether any part has a value."""
        return any(part.measured for part in self.parts)

    @property
    def met(self) -> bool | None:
        """Met when every part is; not met when one is missed; else ``None``."""
        verdicts = [part.met for part in self.parts]
        if False in verdicts:
            return False
        return None if None in verdicts else True


@cache
def figures(folder: Path = FOLDER) -> Mapping[ThreatId, tuple[Score, ...]]:
    """Measured scores by threat, as shipped."""
    found = {ThreatId(path.stem): _read(path) for path in sorted(folder.glob("*.json"))}
    return MappingProxyType(found)


def figure_of(threat: Threat, scores: Sequence[Score] | None = None) -> Figure:
    """The parts of ``threat`` with ``scores``, or with the shipped ones."""
    given = figures().get(threat.id, ()) if scores is None else scores
    by_part = {(score.metric, score.strength): score for score in given}
    return Figure(
        parts=tuple(
            Part(target=target, score=_judged(target, by_part)) for target in threat.targets
        )
    )


def _judged(target: Target, by_part: Mapping[tuple[str, str], Score]) -> Score | None:
    score = by_part.get((target.metric, target.strength or ""))
    if score is None or (score.comparison, score.target) != (target.comparison, target.value):
        return None
    return score


def write_figures(
    threat_id: ThreatId, scores: Sequence[Score], *, version: str, folder: Path = FOLDER
) -> Path:
    """Write the scores of one threat; the same scores give the same bytes, without a date.

    Processor time is left out because it differs from run to run.
    """
    from hauberk.core.codec import to_json

    rows = [to_json(score) | {"seconds": 0.0} for score in scores]
    rows.sort(key=lambda row: (row["metric"], row["strength"], row["attack"]))
    body = {"schema": SCHEMA, "version": version, "threat": threat_id, "scores": rows}
    path = folder / f"{threat_id}.json"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


def _read(path: Path) -> tuple[Score, ...]:
    raw = path.read_bytes()
    if len(raw) > MAX_FILE_BYTES:
        raise broken(path.name, "figures are small", f"at most {MAX_FILE_BYTES} bytes", "more")
    try:
        body: dict[str, Any] = json.loads(raw)
        scores = tuple(_score(row) for row in body["scores"])
    except (ValueError, TypeError, KeyError) as error:
        raise broken(path.name, "figures are scores in JSON", "scores", repr(error)) from error
    if body.get("schema") != SCHEMA or any(score.threat != path.stem for score in scores):
        raise broken(path.name, "a figure names its threat", f"schema {SCHEMA}", "another")
    return scores


def _score(row: Mapping[str, Any]) -> Score:
    """One score; written out, because the general codec imports every noun."""
    interval = row["interval"]
    fields = {
        "comparison": Comparison(row["comparison"]),
        "interval": None if interval is None else (float(interval[0]), float(interval[1])),
    }
    return Score(**{**row, **fields})
