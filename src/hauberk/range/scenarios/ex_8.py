"""EX-8: label maps and preprocessing that do not belong to the weights."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.swap_meaning import WAYS, SwapMeaning
from hauberk.core.threat import ThreatId
from hauberk.guard import bundle as bundles
from hauberk.guard.bundle import Bundle
from hauberk.guard.golden import Golden, hold_golden
from hauberk.range.outcomes import refuses
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import sorting
from hauberk.range.worlds.sorting import Parts

EX_8 = ThreatId("EX-8")
N_GOLDEN = 512
"""Rows that miss a change of 2 % of all answers once in 30,000 times: 0.98 to the power of 512."""
N_FRESH = 400
MIN_WRONG = 0.02
"""Share of answers that must change, or the attack did nothing."""


@dataclass(slots=True, kw_only=True)
class _Sorter:
    """A bundle on disk whose parts somebody may write."""

    folder: Path
    parts: Parts
    pin: Any

    @property
    def labels(self) -> tuple[str, ...]:
        return self.parts.labels

    @property
    def mean(self) -> tuple[float, ...]:
        return self.parts.mean

    @property
    def std(self) -> tuple[float, ...]:
        return self.parts.std

    @property
    def order(self) -> tuple[str, ...]:
        return self.parts.order

    def write(self, changes: Mapping[str, tuple[Any, ...]]) -> None:
        """The changed parts as a bundle beside the genuine one."""
        self.parts = sorting.changed(self.parts, **changes)
        sorting.write(self.folder / "changed", self.parts)


def _made(folder: Path, rng: Random) -> _Sorter:
    made = sorting.parts(rng)
    return _Sorter(folder=folder, parts=made, pin=sorting.write(folder / "genuine", made))


def _signed(seed: int) -> Trial:
    """One member of a pinned bundle is replaced by the attacker's."""
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as name:
        sorter = _made(Path(name), rng)
        genuine = sorter.parts
        alarm = refuses(lambda: _load(Path(name, "genuine"), sorter))
        SwapMeaning(way=tuple(WAYS)[seed % len(WAYS)]).play(sorter, rng)
        changed = [
            file
            for file in ("model.onnx", "schema.json")
            if Path(name, "changed", file).read_bytes() != Path(name, "genuine", file).read_bytes()
        ]
        for file in changed:
            Path(name, "genuine", file).write_bytes(Path(name, "changed", file).read_bytes())
        return Trial(
            values={"refused": refuses(lambda: _load(Path(name, "genuine"), sorter))},
            potent=_is_wrong(genuine, sorter.parts, rng),
            false_alarm=float(alarm),
        )


def _load(folder: Path, sorter: _Sorter) -> Bundle:
    return bundles.load(folder, verify=bundles.pinned(sorter.pin))


def _is_wrong(genuine: Parts, changed: Parts, rng: Random) -> bool:
    fresh = sorting.rows(rng, N_FRESH)
    pairs = zip(sorting.answers(genuine, fresh), sorting.answers(changed, fresh), strict=True)
    return sum(one != other for one, other in pairs) >= MIN_WRONG * N_FRESH


def _unsigned(seed: int) -> Trial:
    """A whole bundle of the attacker's, which agrees with itself, meets the golden answers."""
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as name:
        sorter = _made(Path(name), rng)
        genuine = sorter.parts
        asked = sorting.rows(rng, N_GOLDEN)
        expected = sorting.answers(genuine, asked)
        golden = Golden(rows=tuple(asked), expected=tuple(expected), output="label")
        honest = bundles.load(Path(name, "genuine"), verify=bundles.unverified)
        alarm = refuses(lambda: hold_golden(honest, golden))
        SwapMeaning(way=tuple(WAYS)[seed % len(WAYS)]).play(sorter, rng)
        forged = bundles.load(Path(name, "changed"), verify=bundles.unverified)
        return Trial(
            values={"detected": refuses(lambda: hold_golden(forged, golden))},
            potent=_is_wrong(genuine, sorter.parts, rng),
            false_alarm=float(alarm),
        )


SCENARIOS = (
    Scenario(
        threat=EX_8,
        attack=SwapMeaning(),
        control="a bundle loaded by its pinned digest",
        play=_signed,
        parts=(("refused", "changed member"),),
        note=f"{len(WAYS)} ways in turn around a linear layer; potent where at least 2 % of "
        f"{N_FRESH} fresh answers change",
    ),
    Scenario(
        threat=EX_8,
        attack=SwapMeaning(),
        control="golden answers, asked before a bundle is served",
        play=_unsigned,
        parts=(("detected", "unsigned and wrong, golden vectors"),),
        note=f"{N_GOLDEN} rows with the genuine answers; a bundle that agrees with itself and "
        "nobody signed",
    ),
)
