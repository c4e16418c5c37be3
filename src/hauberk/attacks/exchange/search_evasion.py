"""Search for a misclassified neighbour by asking: see `SearchEvasion`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

import numpy as np

from hauberk.core.artifact import Exchange
from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.methods.oracles import Heard, Oracle, Queries, drive


@dataclass(frozen=True, slots=True, kw_only=True)
class Prey:
    """What an attacker on a model of pictures has.

    Attributes:
        oracle: The served model.
        image: ``(side, side)`` values of 0 to 1, to be misclassified.
        label: Its class as the model names it.
        others: ``(n, side, side)`` pictures of the attacker's own, of any class.
        account: Which account sends query number ``n``.
    """

    oracle: Oracle
    image: Any
    label: int
    others: Any
    account: Callable[[int], int] = lambda _: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEvasion(Play[Prey]):
    """Ask for one neighbour of a picture after another until the model is wrong about one.

    Four searches: two follow the decision boundary by labels alone (`hop-skip-jump`,
    `boundary`), two follow the scores (`square`, `simba`). Each is written from its paper,
    in its usual settings, for pictures of 0 to 1.

    An attacker who knows that streams are watched can be had by ``cover``: so many ordinary
    pictures are asked between two queries of the search, or by ``noise``, which changes all
    of a query a little each time.

    References:
        Chen, Jordan and Wainwright (2020), HopSkipJumpAttack, algorithm 2 (L2, untargeted).
        Brendel, Rauber and Bethge (2018), Decision-based adversarial attacks, algorithm 1.
        Andriushchenko, Croce, Flammarion and Hein (2020), Square attack, algorithms 1 and 2.
        Guo, Gardner, You, Wilson and Weinberger (2019), Simple black-box adversarial
        attacks, algorithm 1.
    """

    title: ClassVar[str] = "Search for a misclassified neighbour by asking"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("SV-5"),)
    subject: ClassVar[type] = Exchange

    technique: str = "hop-skip-jump"
    budget: int = 600
    reach: float = 0.35
    """Distance at which a search along the boundary has won, as a share of the picture's."""
    eps: float = 0.1
    """Largest change of a pixel in a search by scores (`square`), 0 to 1."""
    cover: int = 0
    noise: float = 0.0

    def play(self, target: Prey, rng: Random) -> Transcript:
        """Search once."""
        generator = np.random.default_rng(rng.getrandbits(64))
        queries = SEARCHES[self.technique](self, target, generator)
        if self.noise:
            queries = _blurred(queries, self.noise, generator)
        if self.cover:
            queries = _covered(queries, target.others, self.cover, generator)
        played = drive(queries, target.oracle, budget=self.budget, account=target.account)
        return Transcript(
            succeeded=played.result is not None,
            queries=played.queries,
            facts={"first_refusal": played.first_refusal},
        )


# Along the boundary ------------------------------------------------------------------


def _is_wrong(heard: Heard, label: int) -> bool:
    return not heard.refused and heard.label != label


def _start(prey: Prey, rng: np.random.Generator) -> Queries:
    """Some picture that the model does not take for the class: noise, then one's own."""
    for turn in range(60):
        if turn < 10:  # noqa: PLR2004 - the papers begin with noise; where it fails, a picture
            row = rng.random(prey.image.size).astype(np.float32)
        else:
            row = prey.others[rng.integers(len(prey.others))].reshape(-1)
        if _is_wrong((yield row), prey.label):
            return row
    return None


def _bisected(prey: Prey, outside: Any, steps: int) -> Queries:
    """The last wrong picture on the way from ``outside`` to the original."""
    low, high, image = 0.0, 1.0, prey.image.reshape(-1)
    best = outside
    for _ in range(steps):
        middle = (low + high) / 2
        row = (1 - middle) * image + middle * outside
        if _is_wrong((yield row), prey.label):
            high, best = middle, row
        else:
            low = middle
    return best


def _hop_skip_jump(how: SearchEvasion, prey: Prey, rng: np.random.Generator) -> Queries:
    image = prey.image.reshape(-1)
    place = yield from _start(prey, rng)
    if place is None:
        return None
    place = yield from _bisected(prey, place, 10)
    for turn in range(1, 50):
        far = float(np.linalg.norm(place - image))
        if far <= how.reach * np.linalg.norm(image):
            return place
        gradient = yield from _normal(prey, place, far, int(30 * np.sqrt(turn)), rng)
        step = far / np.sqrt(turn)
        while step > far / 64:
            trial = np.clip(place + step * gradient, 0, 1)
            if _is_wrong((yield trial), prey.label):
                place = trial
                break
            step /= 2
        place = yield from _bisected(prey, place, 8)
    return None


def _normal(prey: Prey, place: Any, far: float, n: int, rng: np.random.Generator) -> Queries:
    """Direction across the boundary at ``place``, from the labels of random steps."""
    steps = rng.normal(size=(n, place.size)).astype(np.float32)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    width = max(0.1, far / np.sqrt(place.size))
    signs = np.zeros(n)
    for number in range(n):
        row = np.clip(place + width * steps[number], 0, 1)
        signs[number] = 1.0 if _is_wrong((yield row), prey.label) else -1.0
    weights = signs - signs.mean() if abs(signs.mean()) < 1 else signs
    total = weights @ steps
    return total / (np.linalg.norm(total) + 1e-9)


def _boundary(how: SearchEvasion, prey: Prey, rng: np.random.Generator) -> Queries:
    image = prey.image.reshape(-1)
    place = yield from _start(prey, rng)
    if place is None:
        return None
    place = yield from _bisected(prey, place, 6)
    around, towards = 0.1, 0.1
    for _ in range(how.budget):
        far = float(np.linalg.norm(place - image))
        if far <= how.reach * np.linalg.norm(image):
            return place
        step = rng.normal(size=place.size)
        back = (image - place) / far
        step -= (step @ back) * back
        step *= around * far / np.linalg.norm(step)
        sideways = image + (place + step - image) * far / np.linalg.norm(place + step - image)
        sideways = np.clip(sideways, 0, 1)
        if not _is_wrong((yield sideways), prey.label):
            around *= 0.9
            continue
        around *= 1.05
        closer = np.clip(sideways + towards * (image - sideways), 0, 1)
        if _is_wrong((yield closer), prey.label):
            place, towards = closer, min(0.5, towards * 1.1)
        else:
            place, towards = sideways, towards * 0.8
    return None


# Along the scores --------------------------------------------------------------------


def _margin(heard: Heard, label: int) -> float:
    """How far the class is ahead; below 0 once another one wins. Labels tell only that."""
    if heard.refused:
        return np.inf
    if heard.scores is None:
        return 1.0 if heard.label == label else -1.0
    others = np.delete(heard.scores, label)
    return float(heard.scores[label] - others.max())


def _square(how: SearchEvasion, prey: Prey, rng: np.random.Generator) -> Queries:
    image, side = prey.image, prey.image.shape[0]
    stripes = rng.choice([-how.eps, how.eps], (1, side))
    best = np.clip(image + np.repeat(stripes, side, axis=0), 0, 1)
    least = _margin((yield best.reshape(-1)), prey.label)
    for turn in range(how.budget):
        if least < 0:
            return best
        share = 0.3 * (1 - turn / how.budget) ** 2
        width = max(1, round(np.sqrt(share) * side))
        top, left = rng.integers(0, side - width + 1, 2)
        trial = best.copy()
        window = (slice(top, top + width), slice(left, left + width))
        trial[window] = np.clip(image[window] + rng.choice([-how.eps, how.eps]), 0, 1)
        if np.array_equal(trial, best):
            continue
        found = _margin((yield trial.reshape(-1)), prey.label)
        if found < least:
            best, least = trial, found
    return None


def _simba(how: SearchEvasion, prey: Prey, rng: np.random.Generator) -> Queries:
    del how
    place = prey.image.reshape(-1).copy()
    least = _margin((yield place), prey.label)
    for pixel in rng.permutation(place.size):
        for sign in (-1.0, 1.0):
            trial = place.copy()
            trial[pixel] = np.clip(trial[pixel] + 0.3 * sign, 0, 1)
            if trial[pixel] == place[pixel]:
                continue
            found = _margin((yield trial), prey.label)
            if found < least:
                place, least = trial, found
                break
        if least < 0:
            return place
    return None


SEARCHES: dict[str, Callable[[SearchEvasion, Prey, np.random.Generator], Queries]] = {
    "hop-skip-jump": _hop_skip_jump,
    "boundary": _boundary,
    "square": _square,
    "simba": _simba,
}


# Hiding ------------------------------------------------------------------------------


def _blurred(queries: Queries, size: float, rng: np.random.Generator) -> Queries:
    """Each query with fresh noise, so that no two share a pixel."""
    try:
        row = next(queries)
        while True:
            moved = np.clip(row + rng.normal(0, size, row.shape), 0, 1)
            row = queries.send((yield moved))
    except StopIteration as end:
        return end.value


def _covered(queries: Queries, others: Any, n: int, rng: np.random.Generator) -> Queries:
    """So many ordinary pictures before each query."""
    try:
        row = next(queries)
        while True:
            for _ in range(n):
                yield others[rng.integers(len(others))].reshape(-1)
            row = queries.send((yield row))
    except StopIteration as end:
        return end.value
