"""TensorFlow graphs: SavedModel, frozen graphs, and Keras's metadata beside them.

A graph is a program; its operators are walked in the main graph and in every function of its
library. Field numbers are those of ``saved_model.proto``, ``meta_graph.proto``,
``graph.proto``, ``function.proto`` and Keras's ``saved_metadata.proto``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.keras_configs import judge_keras
from hauberk.formats.pickle_values import printable
from hauberk.formats.protobuf import Walk, fields
from hauberk.formats.remarks import Grade, Remark, Said, evasive
from hauberk.formats.spans import Span
from hauberk.formats.tensorflow_kinds import graph_kind
from hauberk.formats.tensorflow_operators import (
    PRINTS_TO_FILE,
    READS_DESCRIPTION,
    RUNS,
    is_from_outside,
    is_of_vendor,
    reason_of,
)

_MAX_NODE_BYTES = 1 << 20
_MAX_METADATA_BYTES = 64 << 20


def judge_graph(span: Span) -> Iterator[Said]:
    """What is wrong with a graph or metadata; nothing where it is ordinary."""
    kind, walk = graph_kind(span), Walk("TensorFlow graph")
    try:
        if kind == "Keras metadata":
            yield from _metadata(span, walk)
        elif kind == "SavedModel":
            for part in fields(span, walk):
                if part.number == 2 and part.is_nested:  # noqa: PLR2004 - a meta graph
                    yield from _meta_graph(part.body, walk)
        else:
            yield from _operators(span, walk)
    except ArtifactError as error:
        yield evasive(error.message)


def _meta_graph(span: Span, walk: Walk) -> Iterator[Said]:
    for part in fields(span, walk):
        if part.number == 2 and part.is_nested:  # noqa: PLR2004 - the graph
            yield from _operators(part.body, walk)
        elif part.number == 6 and part.is_nested:  # noqa: PLR2004 - an asset
            for inner in fields(part.body, walk):
                if inner.number == 2 and _leads_out(inner.text()):  # noqa: PLR2004
                    yield evasive(f"reads the asset {printable(inner.text())!r}, outside of it")
        elif part.number == 7 and part.is_nested:  # noqa: PLR2004 - objects
            yield from _objects(part.body, walk)


def _leads_out(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")


def _graph(span: Span, walk: Walk, functions: set[str]) -> Iterator[str]:
    """Operators of a graph and of the functions in its library, whose names are noted."""
    for part in fields(span, walk):
        if part.number == 1 and part.is_nested:
            yield from _operator(part.body, walk)
        elif part.number == 2 and part.is_nested:  # noqa: PLR2004 - the library
            for function in fields(part.body, walk):
                if function.number == 1 and function.is_nested:
                    yield from _function(function.body, walk, functions)


def _function(span: Span, walk: Walk, functions: set[str]) -> Iterator[str]:
    for part in fields(span, walk):
        if part.number == 3 and part.is_nested:  # noqa: PLR2004 - a node
            yield from _operator(part.body, walk)
        elif part.number == 1 and part.is_nested:
            functions.update(item.text() for item in fields(part.body, walk) if item.number == 1)


def _operator(span: Span, walk: Walk) -> Iterator[str]:
    for part in fields(span, walk):
        if part.number == 2 and part.is_nested:  # noqa: PLR2004 - its type
            yield _reaching(part.text(), span)
            return


_DESCRIBED = frozenset({"DecodeProtoV2", "EncodeProto"})
_DESCRIPTION = re.compile(
    rb"descriptor_source\x12[^\x12]{1,5}\x12[\x01-\xff]{1,3}?(?:[/.~]|\w+:///?[^/])"
)


def _reaching(name: str, node: Span) -> str:
    """The operator by its name, or by what its attributes make of it."""
    if name == "PrintV2" and b"file:" in node.read(0, _MAX_NODE_BYTES):
        return PRINTS_TO_FILE
    if name in _DESCRIBED and _DESCRIPTION.search(node.read(0, _MAX_NODE_BYTES)):
        return READS_DESCRIPTION
    return name


def _operators(graph: Span, walk: Walk) -> Iterator[Remark]:
    """A node may name a function of the library, which is judged by its own nodes."""
    functions: set[str] = set()
    for name in list(dict.fromkeys(_graph(graph, walk, functions))):
        if name not in functions or reason_of(name):
            yield from judge_operator(name, "")


def judge_operator(name: str, prefix: str) -> Iterator[Remark]:
    """Remarks about one operator of TensorFlow."""
    reason = reason_of(name)
    shown = printable(prefix + name)
    if reason:
        grade = Grade.DANGEROUS if name in RUNS or "File" in name else Grade.CODE
        yield Remark(grade, name, f"has the operator {shown}, which {reason}", 0)
    elif is_from_outside(name):
        text = f"has the operator {shown!r}, which a library outside must bring"
        grade = Grade.UNKNOWN if is_of_vendor(name) else Grade.CODE
        yield Remark(grade, name, text, 0)


def _objects(span: Span, walk: Walk) -> Iterator[Said]:
    """Objects that users saved keep their configuration as text in older files."""
    for node in fields(span, walk):
        if node.number != 1 or not node.is_nested:
            continue
        for kind in fields(node.body, walk):
            if kind.number == 4 and kind.is_nested:  # noqa: PLR2004 - a user object
                for part in fields(kind.body, walk):
                    if part.number == 3 and part.is_nested:  # noqa: PLR2004 - its metadata
                        yield from _configuration(part.body)


def _metadata(span: Span, walk: Walk) -> Iterator[Said]:
    for node in fields(span, walk):
        if node.number == 1 and node.is_nested:
            for part in fields(node.body, walk):
                if part.number == 5 and part.is_nested:  # noqa: PLR2004 - its metadata
                    yield from _configuration(part.body)


def _configuration(span: Span) -> Iterator[Said]:
    if span.read(0, 1) == b"{" and span.size <= _MAX_METADATA_BYTES:
        yield from judge_keras(span.read(0, span.size))
