"""What rows of a table can look like: learnt from data, corrected by people, kept by attacks.

An adversarial row that no customer could ever be shows nothing. A `Schema` says of each
feature whether it may move and which values it can take, and which features are one choice
spelt in several columns. `learn` proposes it from rows; people correct it as JSON
(``hauberk validate --schema FILE``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from hauberk.errors import UsageError

_FEW = 2
_MAX_HOT = 60
_GRID = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column.

    Attributes:
        is_fixed: It never moves: age, sex, an identifier.
        is_whole: Only whole numbers.
        direction: 1 where it can only grow, -1 only fall, 0 both.
        low: Smallest value.
        high: Largest value.
        scale: What counts as one unit of moving; its spread.
    """

    name: str
    is_fixed: bool = False
    is_whole: bool = False
    direction: int = 0
    low: float = -np.inf
    high: float = np.inf
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All columns in their order.

    Attributes:
        one_hot: Groups of columns of which exactly one is 1; an attack leaves them as they are.
        at_most: Pairs of columns whose first is never above the second.
    """

    features: tuple[Feature, ...]
    one_hot: tuple[tuple[str, ...], ...] = ()
    at_most: tuple[tuple[str, str], ...] = field(default=())

    @property
    def movable(self) -> tuple[str, ...]:
        """Names of the features that may move."""
        held = {name for group in self.one_hot for name in group}
        return tuple(one.name for one in self.features if not one.is_fixed and one.name not in held)

    @property
    def scale(self) -> Any:
        """Unit of each feature; 0 where it may not move."""
        movable = set(self.movable)
        return np.array([one.scale if one.name in movable else 0.0 for one in self.features])

    def repaired(self, moved: Any, rows: Any) -> Any:
        """The nearest rows to ``moved`` that keep the schema, given where they were."""
        whole, direction, low, high, fixed = self._columns()
        out = np.where(direction > 0, np.maximum(moved, rows), moved)
        out = np.where(direction < 0, np.minimum(out, rows), out)
        out = np.where(whole, rows + np.trunc(out - rows), out)
        out = np.clip(out, np.minimum(low, rows), np.maximum(high, rows))
        out = np.where(fixed, rows, out)
        places = self._places()
        for less, more in self.at_most:
            broken = out[:, places[less]] > out[:, places[more]]
            for name in (less, more):
                out[broken, places[name]] = rows[broken, places[name]]
        return out

    def keeps(self, moved: Any, rows: Any) -> Any:
        """Which moved rows keep the schema, ``(n,)`` bool; judged apart from `repaired`."""
        right = np.ones(len(rows), bool)
        places = self._places()
        for place, one in enumerate(self.features):
            before, after = rows[:, place], moved[:, place]
            step = after - before
            right &= (after >= np.minimum(one.low, before) - _GRID) & (
                after <= np.maximum(one.high, before) + _GRID
            )
            if one.is_fixed:
                right &= step == 0
            if one.is_whole:
                right &= np.abs(step - np.round(step)) < _GRID
            if one.direction:
                right &= step * one.direction >= 0
        for group in self.one_hot:
            cells = moved[:, [places[name] for name in group]]
            right &= (np.isin(cells, (0.0, 1.0)).all(axis=1)) & (cells.sum(axis=1) == 1)
        for less, more in self.at_most:
            was = rows[:, places[less]] > rows[:, places[more]]
            right &= was | (moved[:, places[less]] <= moved[:, places[more]])
        return right

    def to_json(self) -> dict[str, Any]:
        """As people edit it."""
        return {
            "features": [asdict(one) for one in self.features],
            "one_hot": [list(group) for group in self.one_hot],
            "at_most": [list(pair) for pair in self.at_most],
        }

    def _places(self) -> dict[str, int]:
        return {one.name: place for place, one in enumerate(self.features)}

    def _columns(self) -> tuple[Any, Any, Any, Any, Any]:
        """Whole, direction, low, high and fixed, one of each for every feature."""
        movable, every = set(self.movable), self.features
        return (
            np.array([one.is_whole for one in every], bool),
            np.array([one.direction for one in every], np.int64),
            np.array([one.low for one in every], np.float64),
            np.array([one.high for one in every], np.float64),
            np.array([one.name not in movable for one in every], bool),
        )


def learn(names: Sequence[str], rows: Any) -> Schema:
    """What ``rows`` ``(n, d)`` suggest.

    Whole numbers stay whole, ranges are those seen, columns of two values or fewer are
    switches and stay as they are, and switches of which exactly one is on in every row are one
    choice. What may not move for reasons that no data show, people add.
    """
    values = np.asarray(rows, np.float64)
    features = tuple(_feature(name, values[:, place]) for place, name in enumerate(names))
    return Schema(features=features, one_hot=_one_hot(names, values))


def _feature(name: str, cells: Any) -> Feature:
    known = cells[np.isfinite(cells)]
    distinct = np.unique(known)
    is_switch = len(distinct) <= _FEW
    return Feature(
        name=name,
        is_fixed=is_switch,
        is_whole=bool(len(known)) and bool((known == np.round(known)).all()),
        low=float(known.min()) if len(known) else -np.inf,
        high=float(known.max()) if len(known) else np.inf,
        scale=float(known.std()) if len(known) else 0.0,
    )


def _one_hot(names: Sequence[str], values: Any) -> tuple[tuple[str, ...], ...]:
    """Runs of neighbouring switches that add up to 1 in every row."""
    switch = [bool(np.isin(values[:, place], (0.0, 1.0)).all()) for place in range(len(names))]
    groups, place = [], 0
    while place < len(names):
        end, total = place, np.zeros(len(values))
        while end < len(names) and switch[end] and end - place < _MAX_HOT:
            total = total + values[:, end]
            end += 1
            if total.max(initial=0) > 1:
                break
            if end - place > 1 and (total == 1).all():
                groups.append(tuple(names[place:end]))
                place = end - 1
                break
        place += 1
    return tuple(groups)


def corrected(schema: Schema, document: Any) -> Schema:
    """The schema with what people say of it.

    Args:
        document: ``{"features": {name: {"is_fixed": true, ...}}, "one_hot": [...], "at_most":
            [...]}``, or the whole that `Schema.to_json` wrote; what is left out stays.

    Raises:
        UsageError: An unknown name or key, or a value of another type.
    """
    if not isinstance(document, Mapping) or document.keys() - {"features", "one_hot", "at_most"}:
        raise _wrong("features, one_hot and at_most", document)
    known = {one.name: one for one in schema.features}
    for name, said in _said(document.get("features", {})).items():
        if name not in known:
            raise _wrong(f"features among {', '.join(list(known)[:20])}", name)
        known[name] = _changed(known[name], said)
    groups = tuple(_names(group, known) for group in document.get("one_hot", schema.one_hot))
    pairs = [_names(pair, known) for pair in document.get("at_most", schema.at_most)]
    if any(len(pair) != _FEW for pair in pairs):
        raise _wrong("pairs in at_most", pairs)
    return Schema(
        features=tuple(known.values()),
        one_hot=groups,
        at_most=tuple((pair[0], pair[1]) for pair in pairs),
    )


def _said(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return {
            str(item.get("name")): {key: cell for key, cell in item.items() if key != "name"}
            for item in value
        }
    raise _wrong("features as an object by name", value)


def _changed(feature: Feature, said: Any) -> Feature:
    kinds = {one.name: one.type for one in fields(Feature)}
    if not isinstance(said, Mapping) or said.keys() - kinds.keys():
        raise _wrong(f"the keys {', '.join(kinds)}", said)
    for key, value in said.items():
        is_flag = kinds[key] == "bool"
        if isinstance(value, bool) is not is_flag or not isinstance(value, (bool, int, float)):
            raise _wrong(f"{feature.name}.{key} of type {kinds[key]}", value)
    return replace(feature, **said)


def _names(group: Any, known: Mapping[str, Any]) -> tuple[str, ...]:
    if not isinstance(group, (list, tuple)) or any(name not in known for name in group):
        raise _wrong("names of features", group)
    return tuple(group)


def _wrong(expected: str, found: Any) -> UsageError:
    return UsageError(
        "the schema of the features is wrong",
        subject="--schema",
        expected=expected,
        found=ascii(found)[:120],
        hint="hauberk validate --format json writes the schema that was learnt",
    )
