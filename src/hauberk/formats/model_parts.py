"""What a model file is made of, part by part, so that two files can be held against each other.

Tensors by name with type, shape and digest; for ONNX the operators in order as well. Bytes are
hashed in pieces and never decoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.archives import Ledger, find_zip, list_zip
from hauberk.formats.onnx_files import is_onnx
from hauberk.formats.protobuf import Field, Walk, fields, numbers
from hauberk.formats.safetensors import entries_of, is_safetensors
from hauberk.formats.spans import Span


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor.

    Attributes:
        digest: SHA-256 of its bytes, hexadecimal.
    """

    kind: str
    shape: tuple[int, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class ModelParts:
    """A model taken apart.

    Attributes:
        operators: What each node does, in order: operator, domain, inputs, outputs, attributes.
        ends: Names of the inputs and outputs of the graph.
        others: Digests of functions, training graphs and versions of operators.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    operators: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def model_parts(span: Span) -> ModelParts:
    """The parts of a safetensors, ONNX or npz file.

    Raises:
        ArtifactError: It is malformed.
        UnavailableError: It is in another format.
    """
    head = span.read(0, 64)
    if is_safetensors(head):
        return ModelParts(dict(_safetensors(span)))
    end = find_zip(span) if head.startswith(b"PK") else None
    if end is not None:
        return ModelParts(dict(_archive(span, end)))
    if is_onnx(span):
        return _onnx(span)
    raise UnavailableError(
        "a model is compared part by part where its format shows the parts",
        expected="safetensors, ONNX or npz",
        found="another format",
        hint="convert both files",
    )


def _digest(span: Span) -> str:
    state = hashlib.sha256()
    for chunk in span.chunks():
        state.update(chunk)
    return state.hexdigest()


def _safetensors(span: Span) -> Iterator[tuple[str, Tensor]]:
    for name, entry, part in entries_of(span):
        shape = tuple(int(size) for size in entry["shape"])
        yield name, Tensor(str(entry["dtype"]), shape, _digest(part))


def _archive(span: Span, end: int) -> Iterator[tuple[str, Tensor]]:
    ledger = Ledger()
    for entry in list_zip(span, end).entries:
        state = hashlib.sha256()
        stored = span.part(entry.data, entry.packed).chunks()
        chunks = stored if entry.method == "stored" else entry.chunks(span, ledger)
        for chunk in chunks:
            state.update(chunk)
        yield entry.name, Tensor("member", (entry.size,), state.hexdigest())


# ONNX


def _onnx(span: Span) -> ModelParts:
    walk = Walk("ONNX model")
    tensors: dict[str, Tensor] = {}
    operators: list[str] = []
    ends: list[str] = []
    others: list[str] = []
    for part in fields(span, walk):
        if part.number == 7 and part.is_nested:  # noqa: PLR2004 - the graph
            for inner in fields(part.body, walk):
                _part(inner, walk, (tensors, operators, ends))
        elif part.number in {8, 20, 25} and part.is_nested:
            others.append(f"{part.number} {_digest(part.body)}")
    return ModelParts(tensors, tuple(operators), tuple(ends), tuple(others))


def _part(part: Field, walk: Walk, into: tuple[dict[str, Tensor], list[str], list[str]]) -> None:
    tensors, operators, ends = into
    if part.number == 5 and part.is_nested:  # noqa: PLR2004 - initial values
        name, tensor = _initial(part.body, walk)
        if name in tensors:
            raise ArtifactError("two initial values of the graph have one name", found=name[:100])
        tensors[name] = tensor
    elif part.number == 1 and part.is_nested:
        operators.append(_node(part.body, walk))
    elif part.number in {11, 12} and part.is_nested:
        name = next((item.text() for item in fields(part.body, walk) if item.number == 1), "")
        ends.append(f"{'input' if part.number == 11 else 'output'} {name}")  # noqa: PLR2004


def _initial(span: Span, walk: Walk) -> tuple[str, Tensor]:
    name, kind = "", 0
    shape: list[int] = []
    state = hashlib.sha256()
    for part in fields(span, walk):
        if part.number == 1:
            shape.extend(numbers(part, walk))
        elif part.number == 2:  # noqa: PLR2004
            kind = part.value
        elif part.number == 8:  # noqa: PLR2004
            name = part.text()
        elif part.number != 12:  # noqa: PLR2004 - a note for people
            state.update(f"{part.number} {part.value} ".encode())
            for chunk in part.body.chunks():
                state.update(chunk)
    return name, Tensor(str(kind), tuple(shape), state.hexdigest())


def _node(span: Span, walk: Walk) -> str:
    """A node without its name and its note, which mean nothing."""
    operator = domain = ""
    words: list[str] = []
    state = hashlib.sha256()
    for part in fields(span, walk):
        if part.number in {1, 2}:
            words.append(f"{'<' if part.number == 1 else '>'}{part.text()}")
        elif part.number == 4:  # noqa: PLR2004
            operator = part.text()
        elif part.number == 7:  # noqa: PLR2004
            domain = part.text()
        elif part.number == 5 and part.is_nested:  # noqa: PLR2004 - an attribute
            state.update(_digest(part.body).encode())
    return f"{domain}.{operator} {' '.join(words)} {state.hexdigest()[:16]}".lstrip(".")
