"""Small steps along a model's gradients, looked for in an input that somebody else made.

Whoever knows a network moves every pixel of a picture a little, in the direction that the
network's gradient names, and the picture is taken for something else. So small a step leaves a
picture as ordinary as it was; but it is not *any* small step. Whoever serves the network knows
the gradient as well, and can ask two things:

1. Is there a class that a step back along the gradient would make of the input again?
2. Is that step *in* the input? What the pixels around a pixel do not explain of it (the
   residual) is compared with the signs of the gradient, as a matched filter compares a signal
   with a pattern. The noise of a camera is as large, and has other signs.

What the two say is weighed by a small network, taught once with inputs moved by us, and with
honest ones: noisy, shifted, darkened, blended. Only inputs whose columns are alike (pictures,
signals) and networks with known gradients can be judged.

References:
    Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples. Madry
    and others (2018), Towards deep learning models resistant to adversarial attacks. Metzen,
    Genewein, Fischer and Bischoff (2017), On detecting adversarial perturbations (taught on
    moved inputs). Kay (1998), Fundamentals of statistical signal processing, volume II,
    section 4.4 (matched filter in coloured noise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hauberk.methods.networks import Array, Network, cross_entropy_pull
from hauberk.methods.picture_residuals import FITTED, Residuals, packed, unpacked
from hauberk.methods.small_networks import Network as Head
from hauberk.methods.small_networks import Recipe, one_hot, trained

MAX_PRODUCTS = 2e7
"""Multiplications of one row; larger networks cost too much to ask again for each input."""

N_NEAREST = 4
"""Classes that an input is asked of: those whose scores come next."""

LEVELS = 255.0
"""Steps are counted in parts of the range of values, as pixels of 8 bits count."""

BACK = 5.0
"""Levels that are stepped back before the gradient is taken again; between the half and the
whole of the steps that are looked for, chosen on models that nothing is reported of."""

REACHES = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0)
"""Steps, in levels, that are tried back."""

FAR = 20.0
FLOORS = (1e-3, 1e-4)
"""Noise of every pixel beside what training shows, in squares of the range of values."""

_SIZES = ((1.5, 16.0), (1.5, 8.0))
"""Residuals, in levels, whose signs are counted: smaller ones are rounding, larger ones edges."""

N_FACTS = 3 + (7 + len(_SIZES)) * len(FLOORS)
N_HELD = 4_000
N_TAUGHT = 18_000
_LARGE, _WIDE = 2e6, 200
"""Of larger networks and wider rows fewer examples are made."""

_PIECE = 256
"""Rows whose facts are found at a time; each is held some thirty times over."""

_CHOSEN = 0.6
_HONEST = 0.98
_CLEAN = 0.997
_HEAD = Recipe(hidden=12, epochs=20)
N_HEADS = 6
"""What one head happens to learn of few rows differs; several together do not."""

_SEED = 23
_WEIGHTS = ("w1", "b1", "w2", "b2")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenSteps:
    """What tells a moved input from an honest one, for one network.

    Attributes:
        centre: ``(N_FACTS,)`` float32, of the facts.
        scale: ``(N_FACTS,)`` float32.
        head: Weighs the facts.
        edge: Score beyond which an input is not honest.
    """

    centre: Any
    scale: Any
    head: Head
    edge: float

    def score(self, network: Network, residuals: Residuals, rows: Any) -> Any:
        """``(n_rows,)``: above 0 where a step along the gradient is in a row.

        Args:
            network: The one that this was learnt for.
            residuals: The ones that this was learnt with.
            rows: ``(n_rows, width)``, as the network takes them.
        """
        facts = facts_of(residuals, network, residuals.scaled(rows))
        logits = self.head.logits(((facts - self.centre) / self.scale).astype(np.float32))
        return logits[:, 1] - logits[:, 0] - self.edge

    def to_json(self) -> Mapping[str, Any]:
        """Plain values."""
        heads = {name: packed(getattr(self.head, name)) for name in _WEIGHTS}
        return {
            "edge": self.edge,
            "centre": packed(self.centre),
            "scale": packed(self.scale),
            **heads,
        }


def from_json(value: Mapping[str, Any]) -> HiddenSteps:
    """What `HiddenSteps.to_json` gave.

    Raises:
        ValueError: It is something else.
    """
    arrays = {name: unpacked(value[name]) for name in ("centre", "scale", *_WEIGHTS)}
    hidden, edge = arrays["b1"].size, float(value["edge"])
    head = Head(
        w1=arrays["w1"].reshape(N_FACTS, hidden),
        b1=arrays["b1"],
        w2=arrays["w2"].reshape(hidden, 2),
        b2=arrays["b2"].reshape(2),
    )
    centre, scale = (arrays[name].reshape(N_FACTS) for name in ("centre", "scale"))
    if not np.isfinite(edge) or (scale <= 0).any():
        raise ValueError(edge)
    return HiddenSteps(centre=centre, scale=scale, head=head, edge=edge)


def learn(rows: Any, network: Network, residuals: Residuals) -> HiddenSteps | None:
    """What tells moved inputs of a network.

    Args:
        rows: ``(n_rows, width)``, the ones that ``residuals`` were learnt of.

    Returns:
        ``None`` where the network is too large, is no classifier of such rows, or no small step
        turns it.
    """
    products = products_of(network)
    if products > MAX_PRODUCTS or not _classifies(network, rows[:4]):
        return None
    rng = np.random.default_rng(_SEED)
    share = min(1.0, _LARGE / max(products, 1.0)) ** 0.5 * min(1.0, _WIDE / rows.shape[1])
    n_held, n_taught = int(N_HELD * share), int(N_TAUGHT * share)
    held = residuals.scaled(rows[int(len(rows) * FITTED) :][:n_held])
    honest: list[Any] = []
    moved: list[Any] = []
    while sum(len(part) for part in honest) < n_taught:
        kinds = list(_honest(held, residuals.planes, rng))
        honest.extend(kinds)
        moved.extend(_moved(residuals, network, kind, rng) for kind in kinds[:3])
        if not any(len(part) for part in moved):
            return None
    parts = (np.concatenate(moved), *honest)
    facts = [_facts_in_pieces(residuals, network, part) for part in parts]
    return _taught(facts, len(held), rng)


def _facts_in_pieces(known: Residuals, network: Network, rows: Any) -> Any:
    pieces = [rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE)]
    return np.concatenate([facts_of(known, network, piece) for piece in pieces])


def _classifies(network: Network, rows: Any) -> bool:
    """Whether it gives a score to each of several classes."""
    try:
        scores = network.scores(rows)
    except (ValueError, IndexError, KeyError, TypeError):  # numpy's, where shapes do not fit
        return False
    is_table = scores.ndim == 2 and len(scores) == len(rows) and scores.shape[1] > 1  # noqa: PLR2004
    return is_table and bool(np.isfinite(scores).all())


def _taught(facts: list[Any], n_clean: int, rng: np.random.Generator) -> HiddenSteps:
    """Of the facts of moved rows, of clean ones, and of other honest ones."""
    known = np.concatenate(facts)
    is_moved = np.repeat([1, 0], [len(facts[0]), len(known) - len(facts[0])])
    centre, scale = known.mean(axis=0), known.std(axis=0) + 1e-6
    chosen = rng.random(len(known)) < _CHOSEN
    scaled = ((known - centre) / scale).astype(np.float32)
    targets = one_hot(is_moved[chosen], 2)
    head = _joined([trained(scaled[chosen], targets, _HEAD, rng) for _ in range(N_HEADS)])
    said = head.logits(scaled)
    said = said[:, 1] - said[:, 0]
    rest = said[~chosen & (is_moved == 0)]
    clean = said[len(facts[0]) :][:n_clean]
    edge = max(np.quantile(rest, _HONEST), np.quantile(clean, _CLEAN))
    centre, scale = centre.astype(np.float32), scale.astype(np.float32)
    return HiddenSteps(centre=centre, scale=scale, head=head, edge=float(edge))


def _joined(heads: list[Head]) -> Head:
    """One network that says what several say on average."""
    return Head(
        w1=np.concatenate([head.w1 for head in heads], axis=1),
        b1=np.concatenate([head.b1 for head in heads]),
        w2=np.concatenate([head.w2 for head in heads]) / np.float32(len(heads)),
        b2=np.mean([head.b2 for head in heads], axis=0),
    )


# Examples ------------------------------------------------------------------------------


def _rounded(rows: Any) -> Any:
    """As files of 8 bits have them."""
    return (np.clip(rows, 0, 1) * LEVELS).round().astype(np.float32) / np.float32(LEVELS)


def _honest(rows: Any, planes: tuple[int, int, int], rng: np.random.Generator) -> Iterator[Any]:
    """Rows as they are, and as cameras, files and films change them."""
    n_rows = len(rows)

    def drawn(low: float, high: float) -> Any:
        return rng.uniform(low, high, (n_rows, 1))

    def noise(size: Any) -> Any:
        return rng.normal(0, 1, rows.shape) * size

    yield _rounded(rows)
    yield _rounded(rows + noise(drawn(0.002, 0.06)))
    yield _rounded(_slid(rows, planes, 0.05, rng) * drawn(0.8, 1.05) + noise(0.006))
    yield _rounded(rows + rng.uniform(-1.5, 1.5, rows.shape) / LEVELS)
    share = drawn(0, 1)
    blend = share * rows + (1 - share) * rows[rng.permutation(n_rows)]
    yield _rounded(blend + noise(0.004))
    yield _rounded(_slid(rows, planes, 0.2, rng) + noise(0.004))


def _slid(rows: Any, planes: tuple[int, int, int], far: float, rng: np.random.Generator) -> Any:
    """Each row moved by parts of a pixel, down and across; what comes in repeats the border."""
    moved = rows.reshape(-1, *planes)
    for axis in (2, 3):
        size = moved.shape[axis]
        shift = rng.normal(0, far * size, len(rows)) if size > 1 else np.zeros(len(rows))
        whole = np.floor(shift).astype(int)
        part = (shift - whole).reshape(-1, 1, 1, 1)
        moved = (1 - part) * _rolled(moved, whole, axis) + part * _rolled(moved, whole + 1, axis)
    return moved.reshape(rows.shape)


def _rolled(pictures: Any, whole: Any, axis: int) -> Any:
    size = pictures.shape[axis]
    places = np.clip(np.arange(size)[None] - whole[:, None], 0, size - 1)
    shape = [len(pictures), 1, 1, 1]
    shape[axis] = size
    return np.take_along_axis(pictures, places.reshape(shape), axis=axis)


def _moved(known: Residuals, network: Network, rows: Any, rng: np.random.Generator) -> Any:
    """Rows that one step, or several, along the gradient made another class of."""
    labels = _asked(known, network, rows).argmax(axis=1)
    found = []
    for n_steps in (1, 12):
        reach = rng.uniform(4, 10, (len(rows), 1)) / LEVELS
        low, high = np.maximum(rows - reach, 0), np.minimum(rows + reach, 1)
        moved = rows + (rng.uniform(-1, 1, rows.shape) * reach if n_steps > 1 else 0)
        for _ in range(n_steps):
            slope = _slope(known, network, moved, labels)
            moved = np.clip(moved + (4 / n_steps if n_steps > 1 else 1) * reach * slope, low, high)
        moved = _rounded(moved)
        found.append(moved[_asked(known, network, moved).argmax(axis=1) != labels])
    return np.concatenate(found)


# What is asked of the network ------------------------------------------------------------


def _asked(known: Residuals, network: Network, rows: Any) -> Any:
    return network.scores(rows * np.float32(known.span) + np.float32(known.low))


def _gradient(known: Residuals, network: Network, rows: Any, pull: Any) -> tuple[Any, Any]:
    return network.gradient(rows * np.float32(known.span) + np.float32(known.low), pull)


def _slope(known: Residuals, network: Network, rows: Any, labels: Any) -> Any:
    """Signs of the gradient of the loss."""
    pull = cross_entropy_pull(labels, is_probability=network.is_probability)
    return np.sign(_gradient(known, network, rows, pull)[1])


def _gap_pull(top: Any, other: Any, *, is_probability: bool) -> Any:
    """Gradient of how far the logit of ``top`` is above that of ``other``."""

    def pull(scores: Array) -> Array:
        out, places = np.zeros_like(scores), np.arange(len(scores))
        if is_probability:
            out[places, top] = 1 / np.maximum(scores[places, top], _LEAST)
            out[places, other] = -1 / np.maximum(scores[places, other], _LEAST)
        else:
            out[places, top], out[places, other] = 1, -1
        return out

    return pull


_LEAST = 1e-20


def _logits(scores: Any, *, is_probability: bool) -> Any:
    return np.log(np.maximum(scores, _LEAST)) if is_probability else scores


def facts_of(known: Residuals, network: Network, rows: Any) -> Any:
    """``(n_rows, N_FACTS)`` of scaled rows, for the class that speaks most for a hidden step."""
    logits = _logits(_asked(known, network, rows), is_probability=network.is_probability)
    order = np.argsort(-logits, axis=1, kind="stable")
    n_rows, n_others = len(rows), min(N_NEAREST, logits.shape[1] - 1)
    # Every row as often as there are other classes to ask of: few calls, however few rows.
    often = np.repeat(np.arange(n_rows), n_others)
    top, other = order[often, 0], order[:, 1 : n_others + 1].ravel()
    gap = logits[often, top] - logits[often, other]
    facts = _facts(known, network, rows[often], (top, other, gap))
    facts = facts.reshape(n_rows, n_others, N_FACTS)
    speaks = facts[:, :, 4] - _COSTS * facts[:, :, 1]
    return facts[np.arange(n_rows), speaks.argmax(axis=1)]


_COSTS = 0.15


def _facts(known: Residuals, network: Network, rows: Any, classes: tuple[Any, Any, Any]) -> Any:
    top, other, gap = classes
    pull = _gap_pull(top, other, is_probability=network.is_probability)
    slope = _gradient(known, network, rows, pull)[1] * known.span
    signs = np.sign(slope)
    reach = gap / (np.abs(slope).sum(axis=1) + 1e-9) * LEVELS
    tried = _steps_back(known, network, rows, (other, signs))
    facts = [np.log1p(np.minimum(reach, 60)), tried, np.log(gap + 1e-3)]
    back = np.clip(rows - BACK / LEVELS * signs, 0, 1).astype(np.float32)
    again = _slope(known, network, back, other)
    signs = np.where(again == 0, signs, again)
    turned = (signs @ known.directions) ** 2
    for floor in FLOORS:
        one = known.whitened(rows, floor)
        along = (one.by * signs).sum(axis=1)
        power = np.maximum((turned / one.spreads).sum(axis=1), 1e-9)
        facts += [
            along / np.sqrt((one.by**2).sum(axis=1) + 1e-12),
            along / np.sqrt(power) / one.size,
            along / np.sqrt(power),
            along / power * LEVELS,
            np.log(one.size),
            *_agreements(one.by / one.own, signs, known.planes),
        ]
    return np.stack(facts, axis=1)


def _agreements(residual: Any, signs: Any, planes: tuple[int, int, int]) -> Iterator[Any]:
    """How far residuals have the signs, where the picture is quiet above all."""
    levels = np.abs(residual) * LEVELS
    agrees = np.sign(residual) * signs
    for low, high in _SIZES:
        counted = (levels > low) & (levels < high)
        yield (agrees * counted).sum(axis=1) / np.sqrt(counted.sum(axis=1) + 4)
    around = _smoothed(residual**2, planes)
    for power in (1.0, 0.5):
        weighed = residual / (around + (3 / LEVELS) ** 2) ** power
        yield (weighed * signs).sum(axis=1) / np.sqrt((weighed**2).sum(axis=1) + 1e-9)


def _smoothed(rows: Any, planes: tuple[int, int, int]) -> Any:
    """Means over a pixel and its neighbours."""
    found = rows.reshape(-1, *planes)
    for axis in (2, 3):
        if found.shape[axis] > 1:
            ends = [(0, 0)] * 4
            ends[axis] = (1, 1)
            wide = np.pad(found, ends, mode="edge")
            size = found.shape[axis]
            found = sum(np.take(wide, range(at, at + size), axis=axis) for at in range(3)) / 3
    return found.reshape(rows.shape)


def _steps_back(known: Residuals, network: Network, rows: Any, toward: tuple[Any, Any]) -> Any:
    """Levels after which a step back makes the other class of a row; `FAR` where none does."""
    other, signs = toward
    steps = np.array(REACHES, np.float32)[:, None, None] / np.float32(LEVELS)
    back = np.clip(rows[None] - steps * signs[None], 0, 1).astype(np.float32)
    said = _asked(known, network, back.reshape(-1, rows.shape[1])).argmax(axis=1)
    turns = said.reshape(len(REACHES), len(rows)) == other
    return np.where(turns.any(axis=0), np.array(REACHES)[turns.argmax(axis=0)], FAR)


def products_of(network: Network) -> float:
    """About how many multiplications one row costs."""
    return sum(
        float(np.size(network.constants[name])) * (_PLACES if step.kind == "Conv" else 1)
        for step in network.steps
        for name in step.inputs
        if name in network.constants
    )


_PLACES = 200.0
"""Places at which the weights of a convolution are used, about."""
