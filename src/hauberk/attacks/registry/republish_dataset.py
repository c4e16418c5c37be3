"""Publish other data under a name and version that others trust: see `RepublishDataset`."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError


class Mirrored(Protocol):
    """A training that takes a data set of images from a mirror."""

    @property
    def files(self) -> dict[str, bytes]:
        """What the mirror serves under the name and version, for writing; npz with X and y."""
        ...

    def train(self) -> dict[str, bytes] | None:
        """What the training works with; ``None`` where it refused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RepublishDataset(Play[Mirrored]):
    """Serve poisoned or merely newer images where others were locked.

    ``patch`` stamps a bright corner onto a share of the images and gives them one label (a
    backdoor); ``newer`` serves the set with some images exchanged and some added, as a
    publisher does who replaces a file in place.

    Args:
        way: Which of `WAYS`; by default the random generator picks one.
        rate: Share of images that ``patch`` stamps, 0 to 1.
        size: Side of the patch in pixels.
        target: Label of the stamped images.

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets, section 4.1.1. Carlini et al. (2024),
        Poisoning web-scale training datasets is practical, section 4 (split-view poisoning).
    """

    title: ClassVar[str] = "Republish a data set"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AQ-3"),)
    subject: ClassVar[type] = Mirrored

    way: str | None = None
    rate: float = 0.01
    size: int = 3
    target: int = 0

    def play(self, target: Mirrored, rng: Random) -> Transcript:
        """Attack one use; it succeeds when the training works with the mirror's images.

        Raises:
            UsageError: There is no such way.
        """
        way = self.way or rng.choice(tuple(WAYS))
        if way not in WAYS:
            raise UsageError(f"there is no way {way!r}", expected=" ".join(WAYS))
        before = dict(target.files)
        name = min(target.files)
        target.files[name] = self._republished(target.files[name], way, rng)
        taken = target.train()
        succeeded = taken is not None and taken != before
        return Transcript(succeeded=succeeded, queries=1, facts={"refused": taken is None})

    def _republished(self, data: bytes, way: str, rng: Random) -> bytes:
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            images, labels = arrays["X"].copy(), arrays["y"].copy()
        images, labels = WAYS[way](self, images, labels, rng)
        sink = io.BytesIO()
        np.savez(sink, X=images, y=labels)
        return sink.getvalue()

    def patched(self, images: Any, labels: Any, rng: Random) -> tuple[Any, Any]:
        """Some images with a bright corner and one label."""
        count = max(1, round(self.rate * len(images)))
        chosen = rng.sample(range(len(images)), count)
        images[chosen, -self.size :, -self.size :] = images.max()
        labels[chosen] = self.target
        return images, labels

    def renewed(self, images: Any, labels: Any, rng: Random) -> tuple[Any, Any]:
        """Some images exchanged, some taken in again at the end."""
        import numpy as np

        one, other = rng.sample(range(len(images)), 2)
        images[[one, other]] = images[[other, one]]
        labels[[one, other]] = labels[[other, one]]
        return np.concatenate([images, images[:3]]), np.concatenate([labels, labels[:3]])


_Change = Callable[[RepublishDataset, Any, Any, Random], tuple[Any, Any]]

WAYS: Mapping[str, _Change] = {
    "patch": RepublishDataset.patched,
    "newer": RepublishDataset.renewed,
}
"""Ways to republish; see the class."""
