"""Which protobuf messages are graphs of TensorFlow, told by their fields alone."""

from __future__ import annotations

from hauberk.errors import ArtifactError
from hauberk.formats.protobuf import Field, Walk, fields
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


FINGERPRINT = "fingerprint of a SavedModel"
_HASHES, _VERSION, _NAME = range(1, 6), 6, 7
_MAX_NAME_BYTES = 64


def is_fingerprint(span: Span) -> bool:
    """Whether the bytes are what TensorFlow writes beside a graph from 2.11 on, and no more.

    Field numbers are those of ``fingerprint.proto``. The name is plain text, which the graph
    that ONNX has under the same number never is.
    """
    try:
        parts = list(fields(span, Walk(FINGERPRINT)))
    except ArtifactError:
        return False
    return bool(parts) and all(map(_is_of_fingerprint, parts))


def _is_of_fingerprint(part: Field) -> bool:
    if not part.is_nested:
        return part.number in _HASHES
    is_short = part.body.size <= _MAX_NAME_BYTES
    is_name = part.number == _NAME and is_short and part.text().isprintable()
    return is_name or (part.number == _VERSION and is_short)


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
