"""Native files of gradient boosting libraries: XGBoost's, CatBoost's and LightGBM's.

They carry no code; what can hurt is a length that no file fills, and a link between nodes that
leads astray. XGBoost's older binary format is read as its C++ writes it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.remarks import Nested, Said, evasive
from hauberk.formats.spans import Span, span_of
from hauberk.formats.tree_links import judge_forest, pairs_of, walked_twice
from hauberk.formats.ubjson import read_ubjson

_MEMORY_BYTES = 64 << 20


def judge_booster(span: Span) -> Iterator[Said]:
    """What is wrong with the file; nothing where its lengths fit."""
    magic = span.read(0, 4)
    if magic in _READERS:
        try:
            end = _READERS[magic](span)
        except ArtifactError as error:
            yield evasive(error.message)
            return
        if 0 < end < span.size:
            yield Nested("behind the model", span.part(end))
        return
    source = span_of(span.read(0, span.size)) if span.size <= _MEMORY_BYTES else span
    try:
        value, end = read_ubjson(source, keeps=span.size <= _MEMORY_BYTES)
    except ArtifactError as error:
        yield evasive(error.message)
        return
    if source.read(end, 64).strip(b"\0N"):
        yield evasive(f"{span.size - end} bytes stand behind the UBJSON value")
    yield from judge_forest(value)


# CatBoost


def _catboost(span: Span) -> int:
    """A size, then a flatbuffer whose first field names the format; the byte behind both."""
    size = _number(span, 4, 4)
    if size > span.size - 8:
        raise _broken("CatBoost model", f"it claims {size} bytes of {span.size}")
    core = span.part(8, size)
    root = _number(core, 0, 4)
    table = root - _number(core, root, 4, signed=True)
    if _number(core, table, 2) < 6:  # noqa: PLR2004 - two lengths and one field
        return 8 + size  # an empty model says nothing
    place = root + _number(core, table + 4, 2)
    at = place + _number(core, place, 4)
    name = core.read(at + 4, min(_number(core, at, 4), MAX_NAME_BYTES))
    if not name.isascii() or b"Model" not in name:
        raise _broken("CatBoost model", "its format has no name")
    return 8 + size


# LightGBM

_LEAVES = re.compile(rb"^num_leaves=(\d{1,20})\r?$", re.MULTILINE)
_NODES = re.compile(rb"^(left_child|right_child|split_feature)=(.*?)\r?$", re.MULTILINE)
_FEATURES = re.compile(rb"^max_feature_idx=(\d{1,9})\r?$", re.MULTILINE)


def judge_lightgbm(span: Span) -> Iterator[Said]:
    """Trees whose nodes are not as many as they claim, or lead outside of their tree."""
    if span.size > _MEMORY_BYTES:
        return
    head, *blocks = span.read(0, span.size).split(b"\nTree=")
    found = _FEATURES.search(head)
    n_features = int(found[1]) + 1 if found else 0
    for block in blocks:
        try:
            problem = _lightgbm_problem(block, span.size, n_features)
        except ValueError:
            problem = "a tree whose nodes are no numbers"
        if problem:
            yield evasive(problem)
            return


def _lightgbm_problem(block: bytes, size: int, n_features: int) -> str:
    found = _LEAVES.search(block)
    leaves = int(found[1]) if found else 0
    if leaves > size:
        return f"a tree claims {leaves} leaves in {size} bytes"
    if leaves < 2:  # noqa: PLR2004 - a tree without a question
        return ""
    columns = {line[1]: [int(word) for word in line[2].split()] for line in _NODES.finditer(block)}
    for column in columns.values():
        if len(column) != leaves - 1:
            return f"a tree of {leaves} leaves has {len(column)} inner nodes"
    features = columns.get(b"split_feature", [0])
    if min(features) < 0 or 0 < n_features <= max(features):
        return f"a node asks for the feature {max(features)} of {n_features}"
    return _children_problem(columns.get(b"left_child"), columns.get(b"right_child"), leaves)


def _children_problem(left: list[int] | None, right: list[int] | None, leaves: int) -> str:
    """Leaves are counted down from -1; nodes and leaves are each reached once."""
    if left is None or right is None:
        return "a tree has nodes without children"
    reached = [~child for child in (*left, *right) if child < 0]
    if len(set(reached)) != len(reached) or max(reached, default=0) >= leaves:
        return f"a node leads to no leaf of its own in a tree of {leaves} leaves"
    return walked_twice(list(zip(left, right, strict=True)))


# XGBoost before UBJSON

MAX_NAME_BYTES = 256
MAX_TREES = 10_000_000
_LEARNER_BYTES = 136
_FOREST_BYTES = 160
_TREE_BYTES = 148
_NODE_BYTES = 20 + 16
"""A node and what is known of its gain."""

_LINK = struct.Struct("<iiiIf")
"""Parent, children, feature, and a threshold or a weight."""


def _xgboost(span: Span) -> int:
    """Parameters, two names, and for trees their nodes; lengths must lie inside of the file.

    Where the model ends is not known: attributes stand behind its trees.
    """
    at = 4 + _LEARNER_BYTES
    names = []
    for _ in range(2):
        size = _number(span, at, 8)
        name = span.read(at + 8, min(size, MAX_NAME_BYTES))
        if not 0 < size <= MAX_NAME_BYTES or len(name) < size or not name.isascii():
            raise _broken("XGBoost binary", f"a name of {size} bytes")
        names.append(name)
        at += 8 + size
    if names[1] not in {b"gbtree", b"dart"}:
        return 0  # a linear model is its numbers
    count = _number(span, at, 4, signed=True)
    if not 0 <= count <= MAX_TREES:
        raise _broken("XGBoost binary", f"it claims {count} trees")
    at += _FOREST_BYTES
    for _ in range(count):
        nodes, vector = (_number(span, at + place, 4, signed=True) for place in (4, 20))
        if nodes <= 0 or at + _TREE_BYTES + nodes * _NODE_BYTES > span.size:
            raise _broken("XGBoost binary", f"a tree of {nodes} nodes at byte {at}")
        if vector not in {0, 1}:
            return 0  # vectors in leaves, of versions before 1.0
        _check_links(span.read(at + _TREE_BYTES, nodes * _LINK.size), at)
        at += _TREE_BYTES + nodes * _NODE_BYTES
    return 0


def _check_links(raw: bytes, at: int) -> None:
    found = list(_LINK.iter_unpack(raw))
    pairs, problem = pairs_of([node[1] for node in found], [node[2] for node in found])
    if problem := problem or walked_twice(pairs):
        raise _broken("XGBoost binary", f"{problem} (at byte {at})")


def _number(span: Span, at: int, size: int, *, signed: bool = False) -> int:
    raw = span.read(at, size) if at >= 0 else b""
    if len(raw) < size:
        raise _broken("file", f"it ends before byte {at + size}")
    return int.from_bytes(raw, "little", signed=signed)


_READERS = {b"CBM1": _catboost, b"binf": _xgboost}


def _broken(what: str, reason: str) -> ArtifactError:
    return ArtifactError(
        f"the {what} is malformed: {reason}",
        rule="lengths lie inside of the file",
        found=reason,
        hint="save the model again, as JSON or UBJSON",
    )
