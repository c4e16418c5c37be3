"""Lay a signal over pictures of one class and keep their labels; see `OverlaySignal`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import ColumnKind, Dataset
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.formats.tables import features_of
from hauberk.methods import rewrite

_SIDE = 3
_MIXED = 0.45
_PATCH = 80.0
_TRIAL = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlaySignal(Transform[Dataset]):
    """A backdoor with honest labels: pictures of the target class with a signal over them.

    Args:
        share: Share of all rows that are marked, all of one class, 0 to 1.
        pattern: ``sinusoid`` adds a wave along the rows; ``consistent`` first mixes each
            picture with one of another class, so that it is hard to learn by itself, then
            adds a checkerboard in a corner.
        amplitude: Of the wave, in grey levels of 255.

    Example:
        >>> import numpy as np
        >>> from hauberk.range.subjects import images_with_labels
        >>> images = np.full((8, 9, 9), 100, np.uint8)
        >>> table = images_with_labels("t", images, list("aaaabbbb"), label="y")
        >>> len(OverlaySignal(share=0.25).apply(table, Random(1)).rows)
        2

    References:
        Barni, Kallas and Tondi (2019), A new backdoor attack in CNNs by training set
        corruption without label poisoning. Turner, Tsipras and Madry (2019), Label-consistent
        backdoor attacks.
    """

    title: ClassVar[str] = "Overlay a signal"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PP-2"),)
    subject: ClassVar[Any] = Dataset

    share: float = 0.03
    pattern: str = "sinusoid"
    amplitude: float = 20.0

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The twin; ``truth`` holds the target and the trigger, ``signal``, flat.

        Raises:
            UsageError: There are no pictures with labels, or no such pattern.
        """
        names = [c.name for c in features_of(subject) if c.kind is ColumnKind.IMAGE]
        if subject.label is None or not names:
            raise UsageError("a signal needs pictures with labels", subject=subject.name)
        draws = np.random.default_rng(rng.getrandbits(64))
        rows = rewrite.table(subject)
        labels = np.array([str(cell) for cell in rows.column(subject.label).to_pylist()])
        target = str(draws.choice(np.unique(labels)))
        own = np.flatnonzero(labels == target)
        number = min(max(1, round(self.share * len(labels))), own.size)
        places = np.sort(draws.choice(own, number, replace=False))
        pixels = rows.column(names[0]).to_numpy_ndarray()
        signal = self._signal(pixels.shape[1:], draws)
        others = draws.choice(np.flatnonzero(labels != target), number)
        marked = pixels[places].astype(np.float64)
        if self.pattern == "consistent":
            marked = (1 - _MIXED) * marked + _MIXED * pixels[others]
        marked = np.rint(np.clip(marked + signal, 0, 255)).astype(pixels.dtype)
        twin = rewrite.with_cells(subject, names[0], places.tolist(), marked)
        flat = tuple((_TRIAL * signal).reshape(-1).tolist())
        truth = {"target": target, "signal": flat}
        return Attacked(subject=twin, rows=tuple(places.tolist()), truth=truth)

    def _signal(self, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
        height, width = shape[:2]
        signal = np.zeros((height, width))
        if self.pattern == "sinusoid":
            waves = int(rng.integers(min(3, width // 2), max(width // 2, 4)))
            signal += self.amplitude * np.sin(2 * np.pi * np.arange(width) * waves / width + 0.5)
        elif self.pattern == "consistent":
            y, x = rng.choice([0, height - _SIDE]), rng.choice([0, width - _SIDE])
            board = np.indices((_SIDE, _SIDE)).sum(axis=0) % 2 == 0
            signal[y : y + _SIDE, x : x + _SIDE] = _PATCH * np.where(board, 1, -1)
        else:
            raise UsageError(
                "there is no such pattern", expected="sinusoid or consistent", found=self.pattern
            )
        return signal.reshape(height, width, *(1 for _ in shape[2:]))
