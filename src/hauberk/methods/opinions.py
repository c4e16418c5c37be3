"""What others say of each row's label: all other rows, a blunt look at them, a trusted few.

Three opinions that differ in what they can be made to believe:

* ``fine``: models that see all the detail, trained on the other rows. They tell changed labels
  from hard rows, but they learn a trigger like any victim does.
* ``blunt``: a wide neighbourhood in few dimensions. It is less often right, but the few rows
  of a trigger are outvoted in it.
* ``vetted``: the same models as ``fine``, trained only on rows that somebody vouches for.

Where ``fine`` believes a label that ``blunt`` (or ``vetted``) denies, fine detail decides the
label against everything else, which is what a backdoor is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from hauberk.core.artifact import Dataset
from hauberk.core.control import NotApplicable
from hauberk.methods import embed
from hauberk.methods.embed import Codes, Floats, Rows
from hauberk.methods.ridge import (
    N_LANDMARKS,
    Softmax,
    folds_of,
    log_softmax,
    out_of_fold,
    radial,
    trained_elsewhere,
)

N_FOLDS = 5

MAX_CLASSES = 200
MIN_ROWS = 40
MIN_CLASS_ROWS = 8
"""Fewer rows of a class say nothing about the label of another."""

MAX_TREE_ROWS = 12_000
"""Rows that trees are grown on; they predict all."""

MIN_LEVELS = 5
"""Different numbers from which on a label may be an amount instead of a class."""

_MANY_LEVELS = 20
_EVEN = 0.1
BLUNT_POOL = 4_000
BLUNT_NEIGHBOURS = 100
"""One row in forty: a trigger in a twentieth of the rows is a minority in such a crowd."""

_BLUNT_SIZE = 20
_PIXEL_SIZE = 60
_PATCH_SIZE = 120
_ROOT_SIZE = 80
_WORD_SIZE = 120
_SMALL = 3_000
_RADIAL_PENALTY = (1e-6, 1e-3)
_LINEAR_PENALTY = (1e-6, 1e-2)
_FLOOR = 0.003
_BELIEF_FLOOR = 0.01
_N_TREES = 100
_N_NEAREST = 15
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opinions:
    """Natural logarithms of class probabilities, each ``(n_rows, n_classes)``.

    Attributes:
        vetted: ``None`` without trusted rows.
    """

    fine: Any
    blunt: Any
    vetted: Any | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Views:
    """The rows as models see them.

    Attributes:
        bent: Matrices for radial features.
        flat: Matrix for a linear model.
        plain: Matrix for trees, or ``None`` where trees see nothing.
        blunt: Few dimensions.
        is_picture: Whether dense features make little smoothing necessary.
    """

    bent: tuple[Floats, ...]
    flat: Floats
    plain: Floats | None
    blunt: Floats
    is_picture: bool

    def at(self, places: Any) -> _Views:
        """The same for some rows."""
        return _Views(
            bent=tuple(part[places] for part in self.bent),
            flat=self.flat[places],
            plain=None if self.plain is None else self.plain[places],
            blunt=self.blunt[places],
            is_picture=self.is_picture,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """The rows of a data set whose labels can be judged, with what is said of them.

    Attributes:
        everyone: All rows.
        known: Places of the judged rows among them.
        rows: The judged rows, their classes renumbered.
        trusted: Rows that somebody vouches for, in the same columns and classes.
    """

    everyone: Rows
    known: Codes
    rows: Rows
    trusted: Rows | None
    opinions: Opinions

    @property
    def labels(self) -> Codes:
        """Codes of the labels of the judged rows."""
        return self.rows.labels

    @property
    def n_classes(self) -> int:
        """Number of classes among the judged rows."""
        return len(self.rows.classes)

    def scattered(self, values: Any) -> Any:
        """``values`` of the judged rows at their places among all; 0 elsewhere."""
        out = np.zeros(self.everyone.n_rows)
        out[self.known] = values
        return out


_CASES: WeakKeyDictionary[Dataset, Case] = WeakKeyDictionary()
"""Several controls ask about the same rows; an answer lives as long as its data set does."""


def case_of(dataset: Dataset) -> Case:
    """What is said of the labels of ``dataset``, worked out once for all who ask.

    Raises:
        NotApplicable: There is no label, it is no class, or there are too few rows.
        UsageError: The trusted rows have other columns.
    """
    found = _CASES.get(dataset)
    if found is None:
        found = _CASES[dataset] = _case(dataset)
    return found


def _case(dataset: Dataset) -> Case:
    if dataset.label is None:
        raise NotApplicable("no column is named as the label")
    everyone = embed.load(dataset)
    known = _judgeable(everyone)
    codes, labels = np.unique(everyone.labels[known], return_inverse=True)
    rows = replace(
        embed.picked(everyone, known),
        labels=labels.astype(np.int64),
        classes=tuple(everyone.classes[code] for code in codes),
    )
    trusted = None
    if dataset.reference is not None:
        trusted = embed.aligned(embed.load(dataset.reference), rows)
        if (trusted.labels >= 0).sum() < MIN_ROWS:
            trusted = None
    return Case(
        everyone=everyone,
        known=known,
        rows=rows,
        trusted=trusted,
        opinions=_formed(rows, trusted),
    )


def _judgeable(rows: Rows) -> Codes:
    counts = np.bincount(rows.labels[rows.labels >= 0], minlength=len(rows.classes))
    if _is_amount(rows.classes, counts):
        raise NotApplicable(f"the label is a number of {len(rows.classes)} values and no class")
    large = np.flatnonzero(counts >= MIN_CLASS_ROWS)
    known = np.flatnonzero(np.isin(rows.labels, large))
    if len(rows.classes) > MAX_CLASSES or large.size < 2 or known.size < MIN_ROWS:  # noqa: PLR2004 - two classes
        raise NotApplicable(
            f"the label has {len(rows.classes)} values, {large.size} of them in at least "
            f"{MIN_CLASS_ROWS} rows: too few rows to contradict it, or no class"
        )
    return known


def _is_amount(classes: tuple[str, ...], counts: Any) -> bool:
    """Whether labels are measured or counted: fractions, or many numbers of which some are rare."""
    if len(classes) < MIN_LEVELS:
        return False
    try:
        values = np.array([float(text) for text in classes])
    except ValueError:
        return False
    if not np.isfinite(values).all() or (values % 1 != 0).any():
        return True
    has_gaps = values.max() - values.min() + 1 > len(classes)
    is_uneven = counts.min() < counts.mean() * _EVEN
    return len(classes) > _MANY_LEVELS and bool(has_gaps or is_uneven)


def _formed(rows: Rows, trusted: Rows | None) -> Opinions:
    n_classes = max(len(rows.classes), 2)
    everyone = rows if trusted is None else embed.stacked(rows, trusted)
    views = _views(everyone)
    rng = np.random.default_rng(embed.seed_of(views.blunt))
    n = rows.n_rows
    fine = _beliefs(views, everyone.labels, n_classes, rng)[:n]
    blunt = _blunt(views.blunt, everyone.labels, n_classes, rng)[:n]
    if trusted is None:
        return Opinions(fine=fine, blunt=blunt)
    known = n + np.flatnonzero(trusted.labels >= 0)
    vetted = _elsewhere(views.at(known), everyone.labels[known], n_classes, views.at(slice(n)), rng)
    return Opinions(fine=fine, blunt=blunt, vetted=vetted)


def held_against(rows: Rows, trusted: Rows) -> tuple[Any, Any]:
    """What models of ``trusted`` believe of ``rows``, and of trusted rows that they did not see.

    Args:
        trusted: In the columns and classes of ``rows``; rows without a label are left out.

    Returns:
        Logarithms of class probabilities, ``(n_rows, n_classes)`` each.
    """
    known = np.flatnonzero(trusted.labels >= 0)
    vouched = embed.picked(trusted, known)
    everyone = embed.stacked(rows, vouched)
    views = _views(everyone)
    n, n_classes = rows.n_rows, max(len(rows.classes), 2)
    rng = np.random.default_rng(embed.seed_of(views.blunt))
    own = views.at(slice(n, None))
    inside = _beliefs(own, vouched.labels, n_classes, rng)
    return _elsewhere(own, vouched.labels, n_classes, views.at(slice(n)), rng), inside


# Views -------------------------------------------------------------------------------


def _views(rows: Rows) -> _Views:
    if rows.images is not None:
        return _picture_views(rows)
    if rows.texts is not None:
        return _text_views(rows)
    plain = embed.table_features(rows)
    ranked = embed.table_features(rows, ranked=True)
    if not plain.shape[1]:
        raise NotApplicable("there is no column to compare rows by")
    both = np.concatenate([plain, ranked], axis=1)
    return _Views(
        bent=(plain, ranked), flat=both, plain=plain, blunt=_scaled(ranked, 0.0), is_picture=False
    )


def _picture_views(rows: Rows) -> _Views:
    pictures: Any = rows.images
    pixels = embed.principal(pictures.reshape(rows.n_rows, -1), _PIXEL_SIZE)
    patches = embed.principal(np.sqrt(embed.convolved(pictures)), _PATCH_SIZE)
    roots = embed.principal(np.sqrt(pictures.reshape(rows.n_rows, -1)), _ROOT_SIZE)
    return _Views(
        bent=(_joined(pixels, patches, power=0.3), _scaled(roots, 0.3)),
        flat=_joined(pixels, patches, power=0.5),
        plain=None,
        blunt=pixels[:, :_BLUNT_SIZE],
        is_picture=True,
    )


def _text_views(rows: Rows) -> _Views:
    words = embed.hashed_words(rows.texts or ())
    main = embed.principal(words, _WORD_SIZE)
    return _Views(
        bent=(_scaled(main, 0.3),),
        flat=_joined(main, embed.table_features(rows), power=0.5),
        plain=_joined(main[:, :40], embed.table_features(rows), power=0.0),
        blunt=main[:, :_BLUNT_SIZE],
        is_picture=False,
    )


def _joined(*parts: Floats, power: float) -> Floats:
    return np.concatenate([_scaled(part, power) for part in parts if part.shape[1]], axis=1)


def _scaled(part: Floats, power: float) -> Floats:
    """Columns divided by a power of their spread, then all by their spread together."""
    spread = part.std(axis=0) + np.float32(_TINY)
    eased = part / spread**power
    return np.asarray(eased / max(float(eased.std(axis=0).mean()), _TINY), np.float32)


# Models ------------------------------------------------------------------------------

_Judge = Callable[[Floats, float], Any]


def _beliefs(views: _Views, labels: Codes, n_classes: int, rng: np.random.Generator) -> Any:
    """Logarithms of the probabilities of each row, by models that did not see it."""
    known = np.flatnonzero(labels >= 0)
    seen = views if known.size == labels.size else views.at(known)
    own = labels[known]
    folds = folds_of(own, N_FOLDS, rng)

    def judge(z: Floats, penalty: float) -> Any:
        return out_of_fold(z, own, n_classes, folds, penalty)

    scores = _ridges(seen, seen, rng, judge)
    if seen.plain is not None:
        scores.append(_trees(seen.plain, own, n_classes, folds))
    if own.size <= _SMALL:
        scores.append(_nearest(seen.bent[0], own, n_classes))
    mixed = _mixed(scores, Softmax(scores, own, n_classes), own.size)
    out = np.full((labels.size, n_classes), -np.log(n_classes))
    out[known] = mixed
    return out


def _elsewhere(
    taught: _Views, labels: Codes, n_classes: int, asked: _Views, rng: np.random.Generator
) -> Any:
    """The same by models that saw only ``taught``."""
    folds = folds_of(labels, N_FOLDS, rng)
    bits = rng.bit_generator.state

    def inside(z: Floats, penalty: float) -> Any:
        return out_of_fold(z, labels, n_classes, folds, penalty)

    own = _ridges(taught, taught, rng, inside)
    rng.bit_generator.state = bits  # the same landmarks again
    answers: list[Any] = []
    for mine, new, penalty in _designs(taught, asked, rng):
        answers.append(trained_elsewhere(mine, labels, n_classes, new, penalty))
    if taught.plain is not None and asked.plain is not None:
        own.append(_trees(taught.plain, labels, n_classes, folds))
        answers.append(_grown(taught.plain, labels, n_classes, asked.plain))
    return _mixed(answers, Softmax(own, labels, n_classes), labels.size)


def _ridges(taught: _Views, asked: _Views, rng: np.random.Generator, judge: _Judge) -> list[Any]:
    return [judge(new, penalty) for _, new, penalty in _designs(taught, asked, rng)]


def _designs(taught: _Views, asked: _Views, rng: np.random.Generator) -> Any:
    """One design at a time, for memory: ``(of the taught, of the asked, penalty)``."""
    kind = 0 if taught.is_picture else 1
    for mine, new in zip(taught.bent, asked.bent, strict=True):
        count = min(N_LANDMARKS, max(len(mine) // 3, 1))
        marks = mine[np.sort(rng.permutation(len(mine))[:count])]
        first = radial(mine, marks)
        yield first, first if new is mine else radial(new, marks), _RADIAL_PENALTY[kind]
    first = _with_constant(taught.flat)
    same = taught.flat is asked.flat
    yield first, first if same else _with_constant(asked.flat), _LINEAR_PENALTY[kind]


def _with_constant(x: Floats) -> Floats:
    return np.concatenate([x * np.float32(0.1), np.ones((len(x), 1), np.float32)], axis=1)


def _mixed(scores: Sequence[Any], last: Softmax, n: int) -> Any:
    """The last layer; in small sets, where it is fitted to little, averaged with the mean."""
    logs = last(scores)
    if n >= _SMALL:
        return logs
    mean = np.log(np.clip(sum(scores) / len(scores), _BELIEF_FLOOR, 1))
    return log_softmax((logs + log_softmax(mean)) / 2)


def _nearest(x: Floats, labels: Codes, n_classes: int) -> Any:
    """Votes of the nearest other rows, nearer ones weighing more."""
    places, distances = embed.neighbours(x, x, _N_NEAREST, same=True)
    weights = 1 / (distances / np.maximum(distances[:, -1:], _TINY) + 0.1)
    votes = np.zeros((labels.size, n_classes))
    np.add.at(votes, (np.arange(labels.size)[:, None], labels[places]), weights)
    return votes / votes.sum(axis=1, keepdims=True)


def _trees(x: Floats, labels: Codes, n_classes: int, folds: Codes) -> Any:
    out = np.empty((labels.size, n_classes))
    for fold in range(N_FOLDS):
        held = folds == fold
        if held.any():
            out[held] = _grown(x[~held], labels[~held], n_classes, x[held])
    return out


def _grown(x: Floats, labels: Codes, n_classes: int, new: Floats) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    step = -(-labels.size // MAX_TREE_ROWS)
    forest = ExtraTreesClassifier(_N_TREES, min_samples_leaf=3, random_state=0, n_jobs=1)
    forest.fit(x[::step], labels[::step])
    out = np.zeros((len(new), n_classes))
    out[:, forest.classes_] = forest.predict_proba(new)
    return out


def _blunt(x: Floats, labels: Codes, n_classes: int, rng: np.random.Generator) -> Any:
    """Calibrated votes of a wide neighbourhood, nearer rows weighing more."""
    known = np.flatnonzero(labels >= 0)
    pool = np.sort(rng.permutation(known)[:BLUNT_POOL])
    k = max(2, min(BLUNT_NEIGHBOURS, pool.size // 40))
    places, distances = embed.neighbours(x, x[pool], k + 1)
    own = pool[places] == np.arange(labels.size)[:, None]
    reach = np.maximum(distances[:, -1:], _TINY)
    weights = np.where(own, 0, np.maximum(1 - (distances / reach) ** 2, _TINY))
    votes = np.zeros((labels.size, n_classes))
    np.add.at(votes, (np.arange(labels.size)[:, None], labels[pool[places]]), weights)
    logs = np.log(votes / np.maximum(votes.sum(axis=1, keepdims=True), _TINY) + _FLOOR)
    return Softmax([logs[known] / 3], labels[known], n_classes)([logs / 3])
