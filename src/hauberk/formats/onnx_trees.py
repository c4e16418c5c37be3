"""Trees in ONNX models as links between nodes: every node is reached at most once.

Two forms: lists with the tree and number of each node (``TreeEnsembleClassifier`` and
``TreeEnsembleRegressor`` of ai.onnx.ml 1 to 4), and places in lists (``TreeEnsemble`` of 5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hauberk.formats.protobuf import Walk, field_at, numbers, run_of
from hauberk.formats.spans import Span, span_of

MAX_NODES = 4_000_000
"""Nodes of one operator that are followed."""

NOT_FOLLOWED = "has trees that are too large for their links to be followed"

_NUMBERED = ("nodes_treeids", "nodes_nodeids", "nodes_truenodeids", "nodes_falsenodeids")
_PLACED = ("nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs")
_KNOWN = frozenset({*_NUMBERED, *_PLACED, "nodes_modes", "tree_roots"})
_LEAF = "LEAF"
_TWICE = "a node of a tree is reached twice: a prediction may never come to an end"

_Numbers = Mapping[str, Sequence[int]]


def tree_problems(attributes: Sequence[Span], walk: Walk) -> Iterator[str]:
    """What is wrong with the links of one operator's trees; `NOT_FOLLOWED` where that is open.

    Args:
        attributes: The messages of the operator's attributes.
    """
    found: dict[str, list[int]] = {}
    modes: list[str] = []
    for body in attributes:
        name, values, texts = _read(body, walk)
        if name in found:
            yield "an attribute of its trees is there twice, and readers choose"
            return
        if name in _KNOWN:
            found[name] = values
            modes = texts if name == "nodes_modes" else modes
    is_large = any(body.size > _MAX_BYTES for body in attributes)
    if is_large or max(map(len, found.values()), default=0) > MAX_NODES:
        yield NOT_FOLLOWED
    elif all(name in found for name in _NUMBERED):
        yield from _numbered(found, modes)
    elif "tree_roots" in found and all(name in found for name in _PLACED):
        yield from _placed(found)


_INT, _TEXT, _FLOAT = 0x40, 0x4A, 0x3D
_TAGS = frozenset({_INT, _TEXT, _FLOAT})
"""Tags of a number, a text and a float in an attribute's lists."""

_NUMBER = re.compile(rb"\x40([\x80-\xff]{0,9}[\x00-\x7f])")
_MAX_BYTES = 64 << 20


def _read(body: Span, walk: Walk) -> tuple[str, list[int], list[str]]:
    """Name, numbers and texts of an attribute; long lists are taken at once."""
    name, values, texts = "", list[int](), list[str]()
    if body.size > _MAX_BYTES:
        return "", [], []
    data = body.read(0, body.size)
    source, view = span_of(data), memoryview(data)
    known: dict[bytes, int] = {}
    at = 0
    while at < len(data):
        walk.step()
        if data[at] in _TAGS and (size := run_of(view[at:])):
            # Features and weights are passed over: nothing follows them.
            if not name or name in _KNOWN:
                _take(data, at, at + size, values=values, texts=texts, known=known)
            at += size
            continue
        part, at = field_at(source, at, walk)
        if part.number == 1 and part.is_nested:
            name = part.text()
        elif part.number == 8:  # noqa: PLR2004 - numbers, packed
            values += numbers(part, walk)
    return name, values, texts


def _take(
    data: bytes, at: int, end: int, *, values: list[int], texts: list[str], known: dict[bytes, int]
) -> None:
    """Add the elements of a run to the numbers or the texts."""
    if data[at] == _INT:
        values += [_decoded(text, known) for text in _NUMBER.findall(data, at, end)]
    elif data[at] == _TEXT:
        texts += _texts(data, at, end)


def _decoded(text: bytes, known: dict[bytes, int]) -> int:
    value = known.get(text)
    if value is None:
        value = known[text] = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(text))
    return value


def _texts(data: bytes, at: int, end: int) -> list[str]:
    found = []
    while at < end:
        start = at + 2
        at = start + data[at + 1]
        found.append(data[start:at].decode("ascii", "replace"))
    return found


def _numbered(found: _Numbers, modes: Sequence[str]) -> Iterator[str]:
    trees, nodes, yes, no = (found[name] for name in _NUMBERED)
    if not len(trees) == len(nodes) == len(yes) == len(no) == len(modes):
        yield "the lists of a tree's nodes have several lengths"
        return
    known = set(zip(trees, nodes, strict=True))
    if len(known) < len(nodes):
        yield "two nodes of a tree have one number"
        return
    roots: dict[int, tuple[int, int]] = {}
    for place in zip(trees, nodes, strict=True):
        roots.setdefault(place[0], place)
    seen = set(roots.values())
    for tree, *children, mode in zip(trees, yes, no, modes, strict=True):
        for child in children if mode != _LEAF else ():
            if (tree, child) not in known:
                yield "a node of a tree leads to one that is not there"
                return
            if (tree, child) in seen:
                yield _TWICE
                return
            seen.add((tree, child))


def _placed(found: _Numbers) -> Iterator[str]:
    yes, no, is_yes_leaf, is_no_leaf = (found[name] for name in _PLACED)
    if not len(yes) == len(no) == len(is_yes_leaf) == len(is_no_leaf):
        yield "the lists of a tree's nodes have several lengths"
        return
    seen = set(found["tree_roots"])
    if any(not 0 <= root < max(len(yes), 1) for root in seen):
        yield "a tree begins at a node that is not there"
        return
    for child, is_leaf in (
        *zip(yes, is_yes_leaf, strict=True),
        *zip(no, is_no_leaf, strict=True),
    ):
        if is_leaf:
            continue
        if not 0 <= child < len(yes):
            yield "a node of a tree leads to one that is not there"
            return
        if child in seen:
            yield _TWICE
            return
        seen.add(child)
