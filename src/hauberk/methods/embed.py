"""Data sets as arrays: labels as codes, tables and images as features to compare rows by.

Everything here is deterministic: the same rows give the same features whatever file or
batches they came in, and randomness is seeded by the rows themselves, so that nobody who
does not know all rows knows the projections.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from hauberk.core.artifact import Column, ColumnKind, Dataset
from hauberk.core.control import NotApplicable
from hauberk.errors import UnavailableError, UsageError
from hauberk.formats.tables import features_of

MAX_CELLS = 200_000_000
"""Numbers held at once, 800 MB as 32-bit floats; larger data is to be judged in parts."""

MAX_LEVELS = 32
"""Categories of a column that get an indicator each; rarer ones share one."""

MIN_SIDE = 7
"""Sides of the smallest square of columns that is taken for an image."""

MAX_EXACT_PCA = 2_048
"""Columns up to which the covariance is decomposed; more are projected at random first."""

MAX_MAGNITUDE = 1e100
"""Numbers are cut here, infinite ones too, so that their squares are numbers still."""

_PATCH = 5
_CONVOLVED = 500
_EPSILON = 1e-12

Floats = np.ndarray[Any, np.dtype[np.float32]]
Codes = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Rows:
    """All rows of a data set in memory.

    Attributes:
        labels: Code of each row's label, -1 where it is missing.
        classes: Canonical text of each code, sorted.
        numbers: ``(n_rows, n_columns)`` of the numeric columns, NaN where missing.
        names: Names of the columns in ``numbers``.
        codes: ``(n_rows, n_columns)`` of the categorical columns, -1 where missing.
        levels: Names of the categorical columns and the texts behind their codes.
        images: ``(n_rows, height, width, channels)``, scaled to 0 to 1, or ``None``.
        texts: The text column, or ``None``.
    """

    n_rows: int
    labels: Codes
    classes: tuple[str, ...]
    numbers: Any
    names: tuple[str, ...]
    codes: Any
    levels: tuple[tuple[str, tuple[str, ...]], ...]
    images: Floats | None = None
    texts: tuple[str, ...] | None = None


def picked(rows: Rows, places: Codes) -> Rows:
    """Only the rows at ``places``."""
    return replace(
        rows,
        n_rows=len(places),
        labels=rows.labels[places],
        numbers=rows.numbers[places],
        codes=rows.codes[places],
        images=None if rows.images is None else rows.images[places],
        texts=None if rows.texts is None else tuple(rows.texts[place] for place in places),
    )


def aligned(rows: Rows, like: Rows) -> Rows:
    """``rows`` with the columns, the categories and the classes of ``like``.

    Labels and categories that ``like`` does not have become missing.

    Raises:
        UsageError: They have other columns, or pictures of another size.
    """
    missing = {*like.names, *(n for n, _ in like.levels)} - {
        *rows.names,
        *(n for n, _ in rows.levels),
    }
    shapes = [None if r.images is None else r.images.shape[1:] for r in (rows, like)]
    if missing or shapes[0] != shapes[1] or (rows.texts is None) != (like.texts is None):
        raise UsageError(
            "The trusted rows have other columns than the data",
            rule="a reference has every column of the data it vouches for",
            expected=", ".join(sorted(missing)) or f"pictures of {shapes[1]}",
            found="no such column" if missing else f"pictures of {shapes[0]}",
        )
    old = {name: (place, texts) for place, (name, texts) in enumerate(rows.levels)}
    codes = [
        _recoded(rows.codes[:, old[name][0]], old[name][1], texts)
        if name in old
        else np.full(rows.n_rows, -1, np.int64)
        for name, texts in like.levels
    ]
    numbers = [
        rows.numbers[:, rows.names.index(name)]
        if name in rows.names
        else np.full(rows.n_rows, np.nan)
        for name in like.names
    ]
    return replace(
        rows,
        labels=_recoded(rows.labels, rows.classes, like.classes),
        classes=like.classes,
        numbers=_columns(numbers, rows.n_rows, np.float64),
        names=like.names,
        codes=_columns(codes, rows.n_rows, np.int64),
        levels=like.levels,
    )


def _columns(columns: Sequence[Any], n_rows: int, kind: Any) -> Any:
    return np.stack(columns, axis=1) if columns else np.zeros((n_rows, 0), kind)


def _recoded(codes: Codes, old: Sequence[str], new: Sequence[str]) -> Codes:
    place = {name: code for code, name in enumerate(new)}
    table = np.array([*(place.get(name, -1) for name in old), -1], np.int64)
    return np.asarray(table[codes], np.int64)


def stacked(first: Rows, second: Rows) -> Rows:
    """Both below each other; ``second`` must be `aligned` with ``first``."""
    both = [part.images for part in (first, second) if part.images is not None]
    return replace(
        first,
        n_rows=first.n_rows + second.n_rows,
        labels=np.concatenate([first.labels, second.labels]),
        numbers=np.concatenate([first.numbers, second.numbers]),
        codes=np.concatenate([first.codes, second.codes]),
        images=np.concatenate(both) if both else None,
        texts=None if first.texts is None else (*first.texts, *(second.texts or ())),
    )


@dataclass(slots=True)
class _Parts:
    numbers: list[Any] = field(default_factory=list)
    texts: dict[str, list[Any]] = field(default_factory=dict)
    images: list[Any] = field(default_factory=list)
    n_rows: int = 0


_LOADED: WeakKeyDictionary[Any, dict[str | None, Rows]] = WeakKeyDictionary()
"""Several controls look at the same rows; they live as long as the way to read them does."""


def load(dataset: Dataset) -> Rows:
    """Read ``dataset`` into arrays, once for all who ask about it.

    A square of numeric columns that share a type and are numbered (``pixel_0_0`` ...,
    ``X_0`` ...) is an image too.

    Raises:
        NotApplicable: There are no rows or no columns to look at.
        UnavailableError: It holds more than `MAX_CELLS` numbers.
    """
    kept = _LOADED.setdefault(dataset, {})
    if dataset.label not in kept:
        kept[dataset.label] = _loaded(dataset)
    return kept[dataset.label]


def _loaded(dataset: Dataset) -> Rows:
    columns = features_of(dataset)
    chosen = {kind: [c for c in columns if c.kind is kind] for kind in ColumnKind}
    numeric = chosen[ColumnKind.NUMBER]
    parts = _read(dataset, numeric, chosen)
    if not parts.n_rows or not columns:
        raise NotApplicable("the data set has no rows or no columns to look at")
    labels, classes = _coded(parts.texts.get(_LABEL, []))
    numbers = np.concatenate(parts.numbers) if numeric else np.zeros((parts.n_rows, 0), np.float64)
    coded = [(c.name, *_coded(parts.texts[c.name])) for c in chosen[ColumnKind.CATEGORY]]
    images = _scaled(np.concatenate(parts.images)) if parts.images else None
    names = tuple(column.name for column in numeric)
    text = chosen[ColumnKind.TEXT][:1]
    return Rows(
        n_rows=parts.n_rows,
        labels=labels if dataset.label else np.full(parts.n_rows, -1, np.int64),
        classes=classes,
        numbers=numbers,
        names=names,
        codes=np.stack([codes for _, codes, _ in coded], axis=1)
        if coded
        else np.zeros((parts.n_rows, 0), np.int64),
        levels=tuple((name, texts) for name, _, texts in coded),
        images=images if images is not None else _square(numbers, names),
        texts=tuple(cell or "" for cell in parts.texts[text[0].name]) if text else None,
    )


def with_target(dataset: Dataset) -> Dataset:
    """``dataset`` with a label that is measured among its columns; a class stays apart."""
    kinds = {column.name: column.kind for column in dataset.columns}
    if kinds.get(dataset.label or "") is not ColumnKind.NUMBER:
        return dataset
    return dataset if len(load(dataset).classes) < MIN_AMOUNTS else replace(dataset, label=None)


MIN_AMOUNTS = 50
"""Different numbers from which on a label is measured rather than a class."""

_LABEL = "\0label"


def _read(dataset: Dataset, numeric: Sequence[Column], chosen: Any) -> _Parts:
    parts = _Parts(texts={_LABEL: []} if dataset.label else {})
    textual = [*chosen[ColumnKind.CATEGORY], *chosen[ColumnKind.TEXT][:1]]
    image = chosen[ColumnKind.IMAGE][:1]
    width = len(numeric) + len(textual) + (math.prod(image[0].shape) if image else 0)
    for batch in dataset.read():
        parts.n_rows += batch.num_rows
        if parts.n_rows * width > MAX_CELLS:
            raise UnavailableError(
                "The data set is too large to be judged at once",
                subject=dataset.name,
                expected=f"at most {MAX_CELLS} numbers",
                found=f"more than {parts.n_rows} rows of {width}",
                hint="Judge it in parts, by class or by time.",
            )
        if numeric:
            parts.numbers.append(_numbers(batch, numeric))
        for key, name in [(c.name, c.name) for c in textual] + (
            [(_LABEL, dataset.label)] if dataset.label else []
        ):
            parts.texts.setdefault(key, []).extend(_texts(batch.column(name)))
        if image:
            parts.images.append(_pixels(batch.column(image[0].name), image[0].shape))
    return parts


def _numbers(batch: Any, columns: Sequence[Column]) -> Any:
    import pyarrow as pa

    cells = [batch.column(column.name).cast(pa.float64(), safe=False) for column in columns]
    numbers = np.stack([cell.to_numpy(zero_copy_only=False) for cell in cells], axis=1)
    return np.clip(numbers, -MAX_MAGNITUDE, MAX_MAGNITUDE)


def _texts(cells: Any) -> list[str | None]:
    from hauberk.formats.rows import cell_texts

    texts: list[str | None] = cell_texts(cells).to_pylist()
    return texts


def _pixels(cells: Any, shape: tuple[int, ...]) -> Any:
    """Channels last, one channel added to grey pictures; a missing picture is black."""
    if cells.null_count:
        raise NotApplicable("some images are missing")
    pixels = cells.to_numpy_ndarray()
    if len(shape) == 2:  # noqa: PLR2004 - grey
        return pixels[..., None]
    channels_first = len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4)  # noqa: PLR2004 - colour
    return np.moveaxis(pixels, 1, -1) if channels_first else pixels


def _scaled(pixels: Any) -> Floats:
    """Values from 0 to 1, by the range of the type or else by that of the rows."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.float32) / np.float32(255)
    x = np.nan_to_num(np.asarray(pixels, np.float64), posinf=MAX_MAGNITUDE, neginf=-MAX_MAGNITUDE)
    low, high = float(x.min()), float(x.max())
    return np.asarray((x - low) / max(high - low, _EPSILON), np.float32)


def _coded(texts: Sequence[str | None]) -> tuple[Codes, tuple[str, ...]]:
    names = tuple(sorted({text for text in texts if text is not None}))
    place = {name: code for code, name in enumerate(names)}
    return np.array([place.get(t, -1) if t is not None else -1 for t in texts], np.int64), names


def _square(numbers: Any, names: Sequence[str]) -> Floats | None:
    """Numbered columns that make up a square with one range, as images."""
    side = math.isqrt(len(names))
    if side < MIN_SIDE or side * side != len(names) or not _are_numbered(names):
        return None
    if np.isnan(numbers).any() or numbers.min() < 0:
        return None
    return _scaled(numbers.reshape(-1, side, side, 1))


def _are_numbered(names: Sequence[str]) -> bool:
    """One prefix, then numbers that grow from name to name."""
    split = [re.fullmatch(r"(\D*)(\d+)(?:\D(\d+))?", name) for name in names]
    places = [(m[1], int(m[2]), int(m[3] or 0)) for m in split if m]
    return (
        len(places) == len(names) and len({p[0] for p in places}) == 1 and places == sorted(places)
    )


# Features ----------------------------------------------------------------------------


def features(rows: Rows, *, size: int = 50) -> Floats:
    """``(n_rows, at most size or the table's width)`` in which near rows are alike.

    Images by principal components of pixels and of random convolutions, each scaled to
    unit variance in total; tables standardised, with indicators for categories; texts by
    hashed words, weighted by rarity. Missing numbers take the median.
    """
    parts = [table_features(rows)]
    if rows.images is not None:
        flat = rows.images.reshape(rows.n_rows, -1)
        parts = [principal(flat, size), principal(convolved(rows.images), size)]
    if rows.texts is not None:
        parts.append(principal(hashed_words(rows.texts), size))
    kept = [part for part in parts if part.shape[1]]
    if not kept:
        raise NotApplicable("there is no column to compare rows by")
    return np.concatenate([_unit(part) for part in kept], axis=1)


def _unit(part: Floats) -> Floats:
    """Scaled so that its columns have a variance of 1 on average."""
    spread = math.sqrt(float(part.var(axis=0).mean()))
    return np.asarray(part / max(spread, _EPSILON), np.float32)


def table_features(rows: Rows, *, ranked: bool = False) -> Floats:
    """Numbers standardised, or by rank so that no value is far out; categories as indicators."""
    hot = [_indicators(rows.codes[:, place]) for place in range(rows.codes.shape[1])]
    numbers = ranks(rows.numbers) if ranked else rows.numbers
    return np.concatenate([standardised(numbers), *hot], axis=1).astype(np.float32)


def ranks(numbers: Any) -> Any:
    """The mean rank of each cell in its column; missing cells stay missing."""
    from scipy.stats import rankdata

    if not numbers.shape[1]:
        return numbers
    found = rankdata(numbers, axis=0, nan_policy="omit")
    return np.where(np.isnan(numbers), np.nan, found)


def standardised(numbers: Any) -> Any:
    """Mean 0 and spread 1 per column, cut at 8 spreads; missing and constant cells are 0."""
    if not numbers.shape[1]:
        return np.zeros(numbers.shape, np.float64)
    finite = np.where(np.isfinite(numbers), numbers, np.nan)
    filled = np.where(np.isnan(finite), _medians(finite), finite)
    centred = filled - filled.mean(axis=0)
    spread = centred.std(axis=0)
    return np.clip(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0), -8, 8)


def _medians(numbers: Any) -> Any:
    """Median of the known cells of each column, 0 where there is none."""
    known = np.where(np.isnan(numbers).all(axis=0), 0.0, numbers)
    return np.nanmedian(known, axis=0)


def _indicators(codes: Codes) -> Any:
    """One column per frequent category, scaled so that all together weigh as one number."""
    levels, counts = np.unique(codes, return_counts=True)
    frequent = levels[np.argsort(-counts, kind="stable")[:MAX_LEVELS]]
    hot = (codes[:, None] == np.sort(frequent)).astype(np.float64)
    centred = hot - hot.mean(axis=0)
    return centred / math.sqrt(max(float(centred.var(axis=0).sum()), _EPSILON))


def principal(x: Any, size: int) -> Floats:
    """Principal components, largest first, each with a sign fixed by its largest weight.

    More than `MAX_EXACT_PCA` columns are first projected onto that many random ones.
    """
    data = np.asarray(x, np.float32)
    if data.shape[1] > MAX_EXACT_PCA:
        rng = np.random.default_rng(seed_of(data[:1_000]))
        data = data @ rng.choice(np.array([-1, 1], np.float32), (data.shape[1], MAX_EXACT_PCA))
    centred = data - data.mean(axis=0, dtype=np.float64).astype(np.float32)
    weights, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    rank = int((weights > weights[-1] * 1e-7).sum()) if weights.size else 0
    axes = axes[:, ::-1][:, : min(size, rank)]
    if axes.shape[1]:
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return np.asarray(centred @ axes.astype(np.float32), np.float32)


def convolved(images: Floats, *, n_filters: int = 32) -> Floats:
    """Responses to patches of the images themselves, rectified and averaged over a 4x4 grid.

    Every second place is looked at: neighbouring ones say the same.

    References:
        Coates and Ng (2012), Learning feature representations with k-means, section 4:
        randomly chosen whitened patches do nearly as well as learnt ones.
    """
    n, height, width, _ = images.shape
    side = min(_PATCH, height, width)
    stride = 2 if min(height, width) >= 4 * _PATCH else 1
    rng = np.random.default_rng(seed_of(images[:1_000]))
    filters = _random_patches(images, side, n_filters, rng)
    rows, columns = (_cells(len(range(0, length - side + 1, stride))) for length in (height, width))
    out = np.empty((n, 2, len(rows), len(columns), n_filters), np.float32)
    for start in range(0, n, _CONVOLVED):
        part = images[start : start + _CONVOLVED]
        windows = np.lib.stride_tricks.sliding_window_view(part, (side, side), axis=(1, 2))
        windows = windows[:, ::stride, ::stride]
        flat = windows.reshape(*windows.shape[:3], -1)
        response = (flat - flat.mean(axis=-1, keepdims=True)) @ filters.T
        for sign, half in enumerate((np.maximum(response, 0), np.maximum(-response, 0))):
            for (i, y), (j, x) in product(enumerate(rows), enumerate(columns)):
                out[start : start + _CONVOLVED, sign, i, j] = half[:, y, x].mean(axis=(1, 2))
    return out.reshape(n, -1)


def _cells(length: int) -> list[slice]:
    edges = np.linspace(0, length, min(4, length) + 1).astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def _random_patches(images: Floats, side: int, n: int, rng: np.random.Generator) -> Floats:
    """Patches with contrast, centred and of length 1."""
    count, height, width, _ = images.shape
    picks = rng.integers(0, [count, height - side + 1, width - side + 1], (20 * n, 3))
    patches = np.stack(
        [np.moveaxis(images[i, y : y + side, x : x + side], -1, 0).ravel() for i, y, x in picks]
    )
    patches = patches - patches.mean(axis=1, keepdims=True)
    strong = patches[np.argsort(-patches.std(axis=1), kind="stable")[: 4 * n]][::4]
    return np.asarray(
        strong / (np.linalg.norm(strong, axis=1, keepdims=True) + _EPSILON), np.float32
    )


def hashed_words(texts: Sequence[str], *, width: int = 1_024) -> Floats:
    """Words hashed into ``width`` columns, weighted by how few rows have them, length 1."""
    counts = np.zeros((len(texts), width), np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()[:20_000]):
            counts[row, _place(word, width)] += 1
    weight = np.log((1 + len(texts)) / (1 + (counts > 0).sum(axis=0)))
    weighted = np.log1p(counts) * weight.astype(np.float32)
    norm = np.linalg.norm(weighted, axis=1, keepdims=True)
    return np.asarray(weighted / np.maximum(norm, _EPSILON), np.float32)


def _place(word: str, width: int) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big") % width


def seed_of(array: Any) -> int:
    """A seed that follows from the content of ``array``."""
    data = np.ascontiguousarray(array)
    return int.from_bytes(hashlib.sha256(data.tobytes()).digest()[:8], "big")


# Neighbours --------------------------------------------------------------------------


def neighbours(x: Floats, pool: Floats, k: int, *, same: bool = False) -> tuple[Codes, Floats]:
    """Places in ``pool`` of the ``k`` nearest rows for each row of ``x``, and their distances.

    Args:
        same: Whether ``pool`` is ``x`` itself, so that a row is not its own neighbour.

    Returns:
        Two arrays ``(n_rows, k)``, nearest first; ``k`` shrinks to what the pool has.
    """
    k = min(k, len(pool) - int(same))
    places = np.empty((len(x), k), np.int64)
    distances = np.empty((len(x), k), np.float32)
    if not k:
        return places, distances
    norms = np.einsum("ij,ij->i", pool, pool)
    step = max(1, 20_000_000 // max(len(pool), 1))
    for start in range(0, len(x), step):
        part = x[start : start + step]
        squared = norms - 2 * (part @ pool.T) + np.einsum("ij,ij->i", part, part)[:, None]
        if same:
            squared[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
        near = np.argpartition(squared, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(squared, near, axis=1)
        order = np.lexsort((near, found), axis=1)
        places[start : start + step] = np.take_along_axis(near, order, axis=1)
        best = np.take_along_axis(found, order, axis=1)
        distances[start : start + step] = np.sqrt(np.maximum(best, 0))
    return places, distances
