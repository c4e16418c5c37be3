"""Craft one picture that a model takes for something else: see `CraftPicture`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.small_networks import Network, one_hot


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What an attacker who knows the model has.

    Attributes:
        network: The model.
        image: ``(side, side)`` of 0 to 1: what is to be taken for something else.
        label: Its class.
        large: ``(height, width)`` of 0 to 1: the picture that people see (`scaling`).
        hidden: ``(side, side)`` of 0 to 1: what the model is to see instead (`scaling`).
    """

    network: Network
    image: Any
    label: int
    large: Any = None
    hidden: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CraftPicture(Play[Canvas]):
    """One input, made with knowledge of the model or of its preprocessing.

    ``scaling`` writes another picture into the pixels that a resizer reads (nearest or four of
    each); ``patch`` prints a small square that is searched for; ``sign`` and ``steps`` move
    all pixels a little along the gradient. What was made is in ``facts["picture"]``.

    Args:
        eps: Largest change of a pixel for ``sign`` and ``steps``.
        patch: Side of the printed square.

    References:
        Xiao et al. (2019), Seeing is not believing. Brown, Mane, Roy, Abadi and Gilmer (2017),
        Adversarial patch. Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing
        adversarial examples. Madry et al. (2018), section 2.1.
    """

    title: ClassVar[str] = "Craft one picture that a model takes for something else"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("IN-3"), ThreatId("SV-5"))
    subject: ClassVar[type] = Exchange

    technique: str = "scaling"
    eps: float = 8 / 255
    patch: int = 4

    def play(self, target: Canvas, rng: Random) -> Transcript:
        """Craft once."""
        generator = np.random.default_rng(rng.getrandbits(64))
        makers = {"scaling": _scaled, "patch": _patched, "sign": _signed, "steps": _stepped}
        picture, seen = makers[self.technique](self, target, generator)
        said = int(target.network.labels(seen.reshape(1, -1))[0])
        return Transcript(
            succeeded=said != target.label, queries=1, facts={"picture": picture, "said": said}
        )


def _scaled(how: CraftPicture, canvas: Canvas, rng: np.random.Generator) -> tuple[Any, Any]:
    del how
    side = canvas.hidden.shape[0]
    is_nearest = rng.random() < 0.5  # noqa: PLR2004 - both kinds of resizers
    down, right = (_read(length, side, is_nearest=is_nearest) for length in canvas.large.shape)
    picture = canvas.large.copy()
    for rows in down:
        for columns in right:
            picture[np.ix_(rows, columns)] = canvas.hidden
    seen = np.mean([picture[np.ix_(r, c)] for r in down for c in right], axis=0)
    return picture, seen.astype(np.float32)


def _read(length: int, side: int, *, is_nearest: bool) -> list[Any]:
    """The pixels that a resizer reads along one side."""
    centre = (np.arange(side) + 0.5) * length / side
    if is_nearest:
        return [np.floor(centre).astype(int)]
    below = np.clip(np.floor(centre - 0.5), 0, length - 1).astype(int)
    return [below, np.minimum(below + 1, length - 1)]


def _patched(how: CraftPicture, canvas: Canvas, rng: np.random.Generator) -> tuple[Any, Any]:
    """The best of many squares at many places, then bettered pixel by pixel."""
    side, best, least = canvas.image.shape[0], canvas.image, np.inf
    for _ in range(200):
        top, left = rng.integers(0, side - how.patch + 1, 2)
        square = rng.integers(0, 2, (how.patch, how.patch)).astype(np.float32)
        trial = canvas.image.copy()
        trial[top : top + how.patch, left : left + how.patch] = square
        margin = _margin(canvas, trial)
        if margin < least:
            best, least, place = trial, margin, (top, left)
    for _ in range(100):
        down, right = rng.integers(0, how.patch, 2)
        trial = best.copy()
        trial[place[0] + down, place[1] + right] = 1 - trial[place[0] + down, place[1] + right]
        margin = _margin(canvas, trial)
        if margin < least:
            best, least = trial, margin
    return best, best


def _margin(canvas: Canvas, picture: Any) -> float:
    logits = canvas.network.logits(picture.reshape(1, -1))[0]
    return float(logits[canvas.label] - np.delete(logits, canvas.label).max())


def _signed(how: CraftPicture, canvas: Canvas, rng: np.random.Generator) -> tuple[Any, Any]:
    del rng
    moved = np.clip(canvas.image + how.eps * np.sign(_slope(canvas, canvas.image)), 0, 1)
    return moved, moved


def _stepped(how: CraftPicture, canvas: Canvas, rng: np.random.Generator) -> tuple[Any, Any]:
    """Twenty small steps from a random start, cut back to the reach after each."""
    low, high = canvas.image - how.eps, canvas.image + how.eps
    moved = canvas.image + rng.uniform(-how.eps, how.eps, canvas.image.shape)
    for _ in range(20):
        moved = moved + how.eps / 5 * np.sign(_slope(canvas, moved))
        moved = np.clip(np.clip(moved, low, high), 0, 1)
    return moved, moved


def _slope(canvas: Canvas, picture: Any) -> Any:
    row = picture.reshape(1, -1).astype(np.float32)
    target = one_hot(np.array([canvas.label]), canvas.network.b2.size)
    return canvas.network.gradient(row, target).reshape(picture.shape)
