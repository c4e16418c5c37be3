"""How much of an answer a client is given: all outputs pass here before they are encoded.

A role of the policy has a `Detail`. Shaping never changes which class is on top, the names,
the types or the shapes of outputs, so that a client's code goes on working:

    full      as the model gave it
    rounded   numbers to so many decimals
    top_k     of each row of scores the k largest, rounded; the others are 0
    keyed     of each row of scores the top and its size to one decimal; how the others share
              the rest is a secret of the guard
    label     of each row of scores 1 at the top and 0 elsewhere: the label, and nothing else

What is keyed depends on the class on top and its rounded size alone: the same input gets the
same answer, and asking it again, or slightly changed, averages nothing out.

Scores are float outputs with two or more columns. Other float outputs are rounded at any
detail but `full`. Integers, truth values and texts are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from hauberk.formats.v2 import Request, Tensor


class Level(StrEnum):
    """How much of an answer is given, most first."""

    FULL = "full"
    ROUNDED = "rounded"
    TOP_K = "top_k"
    KEYED = "keyed"
    LABEL = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What one role is given.

    Attributes:
        detail: How much of the scores.
        decimals: To which numbers are rounded, unless all is given.
        top_k: How many scores of a row are kept at `Level.TOP_K`.
        strong: Whether the role has passed the challenge of a control already.
    """

    detail: Level = Level.FULL
    decimals: int = 3
    top_k: int = 1
    strong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """For what an answer is shaped.

    Attributes:
        detail: Of the role; that of hardened answers where a control asked for it.
        hardened: Whether a control did.
        key: A secret of this guard, the same for all its workers; never leaves it.
    """

    request: Request
    principal: str
    detail: Detail
    hardened: bool = False
    key: bytes = b""


def shape(outputs: tuple[Tensor, ...], occasion: Occasion) -> tuple[Tensor, ...]:
    """The outputs in the detail that this occasion allows."""
    if occasion.detail.detail is Level.FULL:
        return outputs
    return tuple(_shaped(tensor, occasion) for tensor in outputs)


def _shaped(tensor: Tensor, occasion: Occasion) -> Tensor:
    if not tensor.datatype.is_float:
        return tensor
    import numpy as np

    detail = occasion.detail
    values = np.asarray(tensor.values, dtype=np.float64).reshape(tensor.shape)
    is_scores = values.ndim > 1 and values.shape[-1] > 1
    if is_scores:
        rows = values.reshape(-1, values.shape[-1])
        shown = _SCORES[detail.detail](rows, occasion)
    else:
        shown = np.round(values, detail.decimals)
    return replace(tensor, values=(shown.reshape(-1) + 0.0).tolist())


def _rounded(rows: Any, occasion: Occasion) -> Any:
    """Rounded, with the same column on top: a tie is broken by one step."""
    import numpy as np

    detail = occasion.detail
    shown = np.round(rows, detail.decimals)
    top = rows.argmax(axis=1)
    tied = np.flatnonzero(shown.argmax(axis=1) != top)
    shown[tied, top[tied]] = np.round(
        shown[tied, top[tied]] + 10.0**-detail.decimals, detail.decimals
    )
    return shown


def _top_k(rows: Any, occasion: Occasion) -> Any:
    import numpy as np

    detail = occasion.detail
    shown = _rounded(rows, occasion)
    k = min(detail.top_k, rows.shape[1])
    order = np.argsort(-rows, axis=1, kind="stable")
    # Where scores may be negative, 0 would come out on top; the smallest kept one bounds it.
    kept = np.take_along_axis(shown, order[:, :k], axis=1)
    floor = np.minimum(0.0, kept.min(axis=1, keepdims=True) - 10.0**-detail.decimals)
    result = np.broadcast_to(np.where(kept.min(axis=1, keepdims=True) > 0, 0.0, floor), rows.shape)
    result = result.copy()
    np.put_along_axis(result, order[:, :k], kept, axis=1)
    return result


def _keyed(rows: Any, occasion: Occasion) -> Any:
    """The class on top with its size to one decimal; the others as the key has it."""
    import numpy as np

    n_classes = rows.shape[1]
    if (rows < 0).any() or (abs(rows.sum(axis=1) - 1) > _NO_SHARES).any():
        return _label(rows, occasion)
    tops = rows.argmax(axis=1).tolist()
    shown = np.empty(rows.shape)
    for place, top in enumerate(tops):
        size = round(float(rows[place, top]), 1)
        shown[place] = _by_key(occasion.key, top, size, n_classes)
    return shown


@lru_cache(maxsize=10_000)
def _by_key(key: bytes, top: int, size: float, n_classes: int) -> Any:
    """Shares that add up to 1, with ``top`` ahead of all by a little or more."""
    import numpy as np

    least = 1.2 / (n_classes + 0.2)  # a fifth ahead of all others, were they even
    size = min(max(size, least), 1.0)
    seed = hashlib.blake2b(b"%d/%.1f/%d" % (top, size, n_classes), key=key[:64], digest_size=16)
    rng = np.random.default_rng(int.from_bytes(seed.digest(), "little"))
    wild = rng.dirichlet(np.full(n_classes - 1, 0.5))
    even = np.full(n_classes - 1, 1 / (n_classes - 1))
    rest = 1 - size
    room = size / 1.1 - rest * even[0]
    excess = rest * (wild.max() - even[0])
    others = rest * (even + (wild - even) * min(1.0, room / max(excess, 1e-12)))
    shown = np.round(np.insert(others, top, size), 4)
    shown.flags.writeable = False
    return shown


_NO_SHARES = 0.01
"""Rows whose scores do not add up to 1 are no shares, and have no size that means anything."""


def _label(rows: Any, occasion: Occasion) -> Any:
    import numpy as np

    del occasion
    shown = np.zeros_like(rows)
    shown[np.arange(len(rows)), rows.argmax(axis=1)] = 1.0
    return shown


_SCORES: dict[Level, Callable[[Any, Occasion], Any]] = {
    Level.ROUNDED: _rounded,
    Level.TOP_K: _top_k,
    Level.KEYED: _keyed,
    Level.LABEL: _label,
}
