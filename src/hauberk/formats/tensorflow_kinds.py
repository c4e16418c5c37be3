"""Which protobuf messages are graphs of TensorFlow, told by their fields alone."""

from __future__ import annotations

from hauberk.errors import ArtifactError
from hauberk.formats.protobuf import Walk, fields
from hauberk.formats.spans import Span

_META_GRAPH_FIELDS = frozenset(range(1, 8))
_GRAPH_FIELDS = frozenset({1, 2, 3, 4, 5})


def graph_kind(span: Span) -> str:
    """``SavedModel``, ``TensorFlow graph`` or ``Keras metadata``; empty for anything else."""
    head = span.read(0, 2)
    try:
        if head[:1] == b"\x08" and _is_saved_model(span):
            return "SavedModel"
        if head[:1] == b"\x0a":
            return _kind_of_nodes(span)
    except ArtifactError:
        return ""
    return ""


def _is_saved_model(span: Span) -> bool:
    walk = Walk("SavedModel")
    graphs = 0
    for part in fields(span, walk):
        if part.number not in {1, 2} or (part.number == 2) != part.is_nested:  # noqa: PLR2004
            return False
        graphs += part.number == 2  # noqa: PLR2004
        if part.number == 2:  # noqa: PLR2004
            numbers = {inner.number for inner in fields(part.body, walk)}
            if not numbers <= _META_GRAPH_FIELDS:
                return False
    return graphs > 0


def _kind_of_nodes(span: Span) -> str:
    """By the first field: a node of a graph or an object of Keras."""
    walk = Walk("TensorFlow graph")
    kind = ""
    for count, part in enumerate(fields(span, walk)):
        if part.number not in _GRAPH_FIELDS:
            return ""
        if count == 0:
            kind = _kind_of_node(part.body, walk) if part.is_nested else ""
            if not kind:
                return ""
    return kind


_IDENTIFIER = 4


def _kind_of_node(span: Span, walk: Walk) -> str:
    found = {part.number: part for part in fields(span, walk)}
    is_object = found.keys() <= {2, 3, 4, 5, 6} and _IDENTIFIER in found
    if is_object and found[_IDENTIFIER].text().startswith("_tf_keras"):
        return "Keras metadata"
    texts = [found[number] for number in (1, 2) if number in found]
    names = [part.text() for part in texts if part.is_nested]
    is_node = len(names) == 2 and found.keys() <= {1, 2, 3, 4, 5, 6, 7}  # noqa: PLR2004
    return "TensorFlow graph" if is_node and all(map(str.isprintable, names)) else ""
