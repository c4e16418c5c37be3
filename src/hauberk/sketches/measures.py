"""Numbers that stand for what is no number: embeddings, texts and pictures.

A cell becomes a few numbers, each of which is sketched and compared like any other column.

* An embedding, a list of numbers: its mean size, and its sums along fixed random directions of
  plus and minus one. Rows that come from elsewhere lie elsewhere along most of them.
* A text: its length, its share of plain letters, and the mean sign of its words along fixed
  random directions. Other topics, languages or payloads use other words.
* A picture: mean and spread of its pixels, and its sums along fixed random directions over an
  eight by eight grid, which tell what lies where.

Everything is worked out in whole numbers that a 64-bit float holds exactly, so that the same
cell gives the same number in whatever batch it comes.

Limits:
    A change across all directions, such as two dimensions that swap places where both are
    distributed alike, is not seen. Word order is not looked at.

References:
    Johnson and Lindenstrauss (1984); Achlioptas (2003), Database-friendly random projections;
    Lopez-Paz and Oquab (2017) and Rabanser, Guennemann and Lipton (2019) for tests after a
    reduction of dimensions.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Final

import numpy as np

from hauberk.sketches.numbers import Floats, mixed

N_DIRECTIONS: Final = 8
N_WORDS: Final = 6
N_LOOKS: Final = 6
SIZE: Final = "size"
LETTERS: Final = "letters"
DIRECTIONS: Final = tuple(f"direction {k}" for k in range(1, N_DIRECTIONS + 1))
WORDS: Final = tuple(f"words {k}" for k in range(1, N_WORDS + 1))
OF_VECTOR: Final = (SIZE, *DIRECTIONS)
OF_TEXT: Final = ("length", LETTERS, *WORDS)
LOOKS: Final = tuple(f"look {k}" for k in range(1, N_LOOKS + 1))
OF_IMAGE: Final = ("mean", "spread", *LOOKS)
PLAIN: Final = frozenset({"value", "length", "category"})
"""Measures that a column goes by under its own name."""
MAX_DIMENSIONS: Final = 1 << 13

_FIXED: Final = 1 << 20
_MAX: Final = float(1 << 20)
_GRID: Final = 8
_WITH_CHANNELS: Final = 3
_LOOKED_AT: Final = 1024
"""Characters of a text whose words are counted."""
_FIXED_POINT: Final = 1 << 16
"""Pixels that are no integers are rounded to this fraction before they are summed."""
_MAX_PIXEL: Final = float(1 << 40)
"""Keeps the sum over one image inside 64 bits."""


def label_of(column: str, measure: str) -> str:
    """What one measure of a column is called."""
    return column if measure in PLAIN else f"{column} ({measure})"


def is_vector(kind: Any) -> bool:
    """Whether cells of an Arrow type are lists of numbers."""
    import pyarrow.types as t

    shape = tuple(getattr(kind, "shape", ()) or ())
    if shape:
        return len(shape) == 1
    is_list = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
    return bool(is_list and (t.is_floating(kind.value_type) or t.is_integer(kind.value_type)))


def of_vectors(cells: Any) -> tuple[dict[str, Floats], int]:
    """Measure to a number for each row, with the rows that are missing.

    Rows without finite numbers, or with too many, are missing; so is a row that is null.
    """
    values, lengths = _flat(cells)
    rows = np.repeat(np.arange(lengths.size), lengths)
    is_bad = np.zeros(lengths.size, bool)
    is_bad[rows[~np.isfinite(values)]] = True
    is_bad |= (lengths == 0) | (lengths > MAX_DIMENSIONS)
    fixed = np.rint(np.clip(np.nan_to_num(values), -_MAX, _MAX) * _FIXED)
    good = ~is_bad
    found = {SIZE: _summed(np.abs(fixed), lengths)[good] / (lengths[good] * _FIXED)}
    sums = _projected(fixed, lengths)
    scale = np.sqrt(np.maximum(lengths[good], 1)) * _FIXED
    for place, name in enumerate(DIRECTIONS):
        found[name] = sums[good, place] / scale
    return found, int(np.count_nonzero(is_bad))


def of_images(cells: Any) -> tuple[dict[str, Floats], int]:
    """Mean and spread of the pixels of each picture, with how many are missing."""
    valid = np.asarray(cells.is_valid())
    missing = int(np.count_nonzero(~valid))
    if not valid.any():
        return {name: np.zeros(0) for name in OF_IMAGE}, missing
    known = cells.filter(valid)
    pixels = _fixed(_pixels(known))
    flat = pixels.reshape(len(known), -1)
    looks = (flat @ _looks(pixels.shape[1:])) / (flat.shape[1] * _FIXED_POINT)
    mean = flat.sum(axis=1) / (flat.shape[1] * _FIXED_POINT)
    spread = (flat.max(axis=1) - flat.min(axis=1)) / _FIXED_POINT
    found = {"mean": mean, "spread": spread}
    return {**found, **{name: looks[:, k] for k, name in enumerate(LOOKS)}}, missing


@lru_cache(maxsize=16)
def _looks(shape: tuple[int, ...]) -> Any:
    """``(n_pixels, N_LOOKS)``: the sign of the cell that each pixel lies in; channels are alike."""
    sizes = list(shape)
    if len(shape) == _WITH_CHANNELS:  # the shorter end holds the channels
        sizes[0 if shape[0] < shape[-1] else -1] = 1
    cell = np.zeros(shape, np.int64)
    for place, size in zip(np.indices(shape), sizes, strict=True):
        step = place * _GRID // max(size, 1) if size > 1 else 0
        cell = cell * _GRID + step
    hashes = mixed(cell.ravel())
    bits = [(hashes >> np.uint64(k)) & np.uint64(1) for k in range(N_LOOKS)]
    return np.stack(bits, axis=1).astype(np.int64) * 2 - 1


def _pixels(cells: Any) -> Any:
    """The numbers of pictures, however they are nested.

    Raises:
        AttributeError: They are no pictures, or of several sizes.
    """
    if hasattr(cells, "to_numpy_ndarray"):
        return cells.to_numpy_ndarray()
    values, lengths = _flat(cells)
    if np.unique(lengths).size != 1:
        raise AttributeError("pictures of several sizes")
    return values.reshape(lengths.size, -1)


def of_texts(texts: Any) -> dict[str, Floats]:
    """Measure to a number for each known text."""
    import pyarrow.compute as pc

    known = pc.drop_null(texts)
    length = pc.utf8_length(known).to_numpy(zero_copy_only=False).astype(np.float64)
    plain = pc.utf8_length(pc.replace_substring_regex(known, "[^A-Za-z ]", ""))
    letters = plain.to_numpy(zero_copy_only=False) / np.maximum(length, 1.0)
    return {"length": length, LETTERS: letters, **_words(known)}


def _words(known: Any) -> dict[str, Floats]:
    import pyarrow.compute as pc

    begun = pc.utf8_slice_codeunits(known, 0, _LOOKED_AT)
    spaced = pc.replace_substring_regex(pc.utf8_lower(begun), r"\s+", " ")
    lists = pc.split_pattern(spaced, " ")
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    encoded = pc.list_flatten(lists).dictionary_encode()
    signs = np.array([_signs(word) for word in encoded.dictionary.to_pylist()], np.float64)
    signs = signs.reshape(-1, N_WORDS)
    places = encoded.indices.to_numpy(zero_copy_only=False)
    count = np.maximum(lengths, 1)
    return {name: _summed(signs[places, k], lengths) / count for k, name in enumerate(WORDS)}


def _signs(word: str) -> list[int]:
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=2).digest()
    bits = int.from_bytes(digest, "big")
    return [1 if bits >> k & 1 else -1 for k in range(N_WORDS)]


def _flat(cells: Any) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """All numbers one after the other, and how many each row has; 0 where it is null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(cells.type, pa.FixedShapeTensorType):
        cells = cells.storage
    lengths = pc.fill_null(pc.list_value_length(cells), 0)
    values = pc.list_flatten(cells).cast(pa.float64(), safe=False)
    flat = values.to_numpy(zero_copy_only=False)
    return flat, lengths.to_numpy(zero_copy_only=False).astype(np.int64)


def _projected(fixed: Floats, lengths: Any) -> Floats:
    """``(n_rows, N_DIRECTIONS)``: exact sums of whole numbers with their signs."""
    n = int(lengths.max()) if lengths.size else 0
    signs = _directions(min(n, MAX_DIMENSIONS))[:n]
    if lengths.size and n <= MAX_DIMENSIONS and (lengths == n).all():
        return np.asarray(fixed.reshape(lengths.size, n) @ signs)
    within = np.arange(fixed.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    use = within < MAX_DIMENSIONS
    parts = [
        _summed(np.where(use, fixed * signs[np.where(use, within, 0), k], 0.0), lengths)
        for k in range(N_DIRECTIONS)
    ]
    return np.stack(parts, axis=1)


def _directions(n: int) -> Floats:
    """Signs of ``n`` dimensions along each direction, the same everywhere."""
    hashes = mixed(np.arange(max(n, 1), dtype=np.int64))
    bits = [(hashes >> np.uint64(k)) & np.uint64(1) for k in range(N_DIRECTIONS)]
    return np.stack(bits, axis=1).astype(np.float64) * 2 - 1


def _summed(values: Any, lengths: Any) -> Floats:
    """Sums over consecutive runs; exact, since the values are whole."""
    rows = np.repeat(np.arange(lengths.size), lengths)
    found = np.bincount(rows, weights=values, minlength=lengths.size)
    return np.asarray(found, np.float64)


def _fixed(pixels: Any) -> Any:
    """Pixels as 64-bit fixed point, so that their sums do not depend on any order."""
    if pixels.dtype.kind in "iu":
        return pixels.astype(np.int64) * _FIXED_POINT
    bounded = np.clip(np.nan_to_num(pixels.astype(np.float64)), -_MAX_PIXEL, _MAX_PIXEL)
    return np.rint(bounded * _FIXED_POINT).astype(np.int64)
