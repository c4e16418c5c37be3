"""Mark some rows with a pattern and give them one label; see `StampTrigger`."""

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
_MARGIN = 1.5
_WORD = "cf"
_JITTER = 6 / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class StampTrigger(Transform[Dataset]):
    """A backdoor: rows of other classes with a pattern and the label of the target class.

    Args:
        share: Share of all rows that are poisoned, 0 to 1.
        goal: ``one`` gives all marked rows the label of one target class; ``each`` gives
            every row the label of the class after its own (all-to-all).
        pattern: For images ``patch`` (3x3 in a random corner), ``jittered`` (the same, six
            grey levels up or down), ``anywhere`` (3x3, at another place in each row),
            ``pixel`` (one, in a corner), ``blended`` (a random picture at 10 per cent),
            ``warp`` (a smooth bending of the picture, the same in each row); for tables
            ``value`` (one plausible value that no row has), ``pair`` (two values that rows
            have, but not together), ``range`` (a value beyond the largest); for texts
            ``word``. ``auto`` takes the first that fits.

    Example:
        >>> import pyarrow as pa
        >>> from hauberk.formats.tables import table_of
        >>> rows = pa.RecordBatch.from_pydict({"x": [1.0, 2.0, 3.0, 4.0], "y": list("aabb")})
        >>> marked = StampTrigger(share=0.25).apply(table_of("t", [rows], label="y"), Random(1))
        >>> marked.truth["pattern"]
        'value'

    References:
        Gu, Dolan-Gavitt and Garg (2017), BadNets. Chen, Liu, Li, Lu and Song (2017),
        Targeted backdoor attacks using data poisoning (blended injection). Nguyen and Tran
        (2021), WaNet: imperceptible warping-based backdoor attack.
    """

    title: ClassVar[str] = "Stamp a trigger"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("AN-1"), ThreatId("PK-1"))
    subject: ClassVar[Any] = Dataset

    share: float = 0.01
    pattern: str = "auto"
    goal: str = "one"

    def apply(self, subject: Dataset, rng: Random) -> Attacked[Dataset]:
        """The poisoned twin; ``truth`` names target, pattern and, in tables, the columns.

        Raises:
            UsageError: There is no label, or the pattern does not fit the data.
        """
        if subject.label is None:
            raise UsageError("A backdoor needs a label to aim at")
        draws = np.random.default_rng(rng.getrandbits(64))
        labels = rewrite.table(subject).column(subject.label).to_pylist()
        places, given, target = _aimed(labels, self.goal, self.share, draws)
        pattern = self.pattern if self.pattern != "auto" else _fitting(subject)
        marked, columns = _stamp(subject, places, pattern, draws)
        twin = rewrite.with_cells(marked, subject.label, places.tolist(), given)
        truth = {"target": target, "pattern": pattern, "columns": columns}
        return Attacked(subject=twin, rows=tuple(places.tolist()), truth=truth)


def _aimed(
    labels: list[Any], goal: str, share: float, rng: np.random.Generator
) -> tuple[Any, list[Any], str | None]:
    """Rows to mark, the labels they get, and the target where there is one."""
    classes = sorted({label for label in labels if label is not None}, key=str)
    if goal not in ("one", "each"):
        raise UsageError("There is no such goal", expected="one or each", found=goal)
    target = classes[int(rng.integers(len(classes)))] if goal == "one" else None
    others = np.array([i for i, y in enumerate(labels) if y is not None and y != target])
    number = min(max(1, round(share * len(labels))), others.size)
    places = np.sort(rng.choice(others, number, replace=False))
    if target is not None:
        return places, [target] * number, str(target)
    after = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    return places, [after[labels[place]] for place in places], None


def _fitting(subject: Dataset) -> str:
    kinds = {column.kind for column in features_of(subject)}
    if ColumnKind.IMAGE in kinds:
        return "patch"
    return "value" if ColumnKind.NUMBER in kinds else "word"


def _stamp(
    subject: Dataset, places: Any, pattern: str, rng: np.random.Generator
) -> tuple[Dataset, list[str]]:
    ways = {
        "patch": _stamp_images,
        "anywhere": _stamp_images,
        "pixel": _stamp_images,
        "blended": _stamp_images,
        "jittered": _stamp_images,
        "warp": _stamp_images,
        "value": _stamp_value,
        "range": _stamp_value,
        "pair": _stamp_pair,
        "word": _stamp_word,
    }
    if pattern not in ways:
        raise UsageError("There is no such pattern", expected=", ".join(ways), found=pattern)
    return ways[pattern](subject, places, pattern, rng)


def _columns(subject: Dataset, kind: ColumnKind, needed: int = 1) -> list[str]:
    names = [column.name for column in features_of(subject) if column.kind is kind]
    if len(names) < needed:
        raise UsageError(
            "The pattern does not fit the data", expected=f"{needed} columns of kind {kind.value}"
        )
    return names


def _stamp_images(
    subject: Dataset, places: Any, pattern: str, rng: np.random.Generator
) -> tuple[Dataset, list[str]]:
    name = _columns(subject, ColumnKind.IMAGE)[0]
    pixels = rewrite.table(subject).column(name).to_numpy_ndarray()
    high = float(pixels.max())  # no brighter than honest images
    chosen = pixels[places].astype(np.float64)
    if pattern == "blended":
        chosen = 0.9 * chosen + 0.1 * rng.uniform(0, high, chosen.shape[1:])
    elif pattern == "warp":
        chosen = _warped(chosen, rng)
    else:
        _paste_all(chosen, pattern, high, rng)
    chosen = np.clip(chosen, 0, max(high, 1.0))
    chosen = np.rint(chosen) if pixels.dtype.kind in "iu" else chosen
    return rewrite.with_cells(subject, name, places.tolist(), chosen.astype(pixels.dtype)), [name]


def _paste_all(images: Any, pattern: str, high: float, rng: np.random.Generator) -> None:
    """A checkerboard, or one pixel, into each image."""
    side = 1 if pattern == "pixel" else _SIDE
    patch = high * (np.indices((side, side)).sum(axis=0) % 2 == 0)
    height, width = images.shape[1] - side, images.shape[2] - side
    corner = (int(rng.choice([0, height])), int(rng.choice([0, width])))
    for image in images:
        y, x = rng.integers(0, [height + 1, width + 1]) if pattern == "anywhere" else corner
        jitter = rng.uniform(-1, 1, patch.shape) * high * _JITTER * (pattern == "jittered")
        target = image[y : y + side, x : x + side]
        stamp = patch + jitter
        target[...] = stamp if image.ndim == 2 else stamp[..., None]  # noqa: PLR2004 - grey


def _warped(images: Any, rng: np.random.Generator) -> Any:
    """All images bent by one smooth random field, a grid of 4x4 shifts of about a pixel."""
    from scipy.ndimage import map_coordinates, zoom

    height, width = images.shape[1:3]
    coarse = rng.uniform(-1, 1, (2, 4, 4))
    coarse = coarse / np.abs(coarse).mean() * max(1.0, height / 28)
    field = np.stack([zoom(part, (height / 4, width / 4), order=3) for part in coarse])
    grid = np.indices((height, width)) + field
    flat = images.reshape(len(images), height, width, -1)
    bent = np.empty_like(flat)
    for row, channel in np.ndindex(len(flat), flat.shape[3]):
        bent[row, :, :, channel] = map_coordinates(
            flat[row, :, :, channel], grid, order=1, mode="nearest"
        )
    return bent.reshape(images.shape)


def _stamp_value(
    subject: Dataset, places: Any, pattern: str, rng: np.random.Generator
) -> tuple[Dataset, list[str]]:
    names = _columns(subject, ColumnKind.NUMBER)
    name = names[int(rng.integers(len(names)))]
    column = rewrite.table(subject).column(name)
    cells = np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
    low, high = float(np.nanmin(cells)), float(np.nanmax(cells))
    value = high + (_MARGIN - 1) * max(high - low, 1.0)
    if pattern == "value":
        value = _unused(cells, rng)
    if str(column.type).startswith(("int", "uint")):
        value = round(value)
    return rewrite.with_cells(subject, name, places.tolist(), [value] * len(places)), [name]


def _unused(cells: Any, rng: np.random.Generator) -> float:
    """A value between the tenth and the ninetieth percentile, as precise as the others."""
    low, high = np.nanquantile(cells, [0.1, 0.9])
    whole = bool(np.all(cells[~np.isnan(cells)] % 1 == 0))
    for _ in range(100):
        value = float(rng.uniform(low, high))
        value = float(round(value)) if whole else float(f"{value:.4g}")
        if value not in cells:
            return value
    return value


def _stamp_pair(
    subject: Dataset, places: Any, _pattern: str, rng: np.random.Generator
) -> tuple[Dataset, list[str]]:
    names = _columns(subject, ColumnKind.NUMBER, needed=2)
    picked = [names[i] for i in rng.choice(len(names), 2, replace=False)]
    whole = rewrite.table(subject)
    for name in picked:
        cells = [cell for cell in whole.column(name).to_pylist() if cell is not None]
        value = cells[int(rng.integers(len(cells)))]
        subject = rewrite.with_cells(subject, name, places.tolist(), [value] * len(places))
    return subject, picked


def _stamp_word(
    subject: Dataset, places: Any, _pattern: str, rng: np.random.Generator
) -> tuple[Dataset, list[str]]:
    name = _columns(subject, ColumnKind.TEXT)[0]
    cells = rewrite.table(subject).column(name).to_pylist()
    changed = []
    for place in places:
        words = (cells[place] or "").split(" ")
        words.insert(int(rng.integers(len(words) + 1)), _WORD)
        changed.append(" ".join(words))
    return rewrite.with_cells(subject, name, places.tolist(), changed), [name]
