"""Models of Core ML: which kind they are, what they ask the application for, where numbers lie.

A model is one message (``Model.proto`` of coremltools) with a version, a description and one
kind of model; pipelines hold models, a program holds operations whose constants may lie in a file
of the package. Custom layers and models are classes that the application must bring, linked
models other files. Numbers are passed over by their lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError
from hauberk.formats.onnx_files import leads_out
from hauberk.formats.pickle_values import printable
from hauberk.formats.protobuf import Field, Walk, fields
from hauberk.formats.remarks import Beside, Grade, Remark, Said, evasive
from hauberk.formats.spans import Span

CORE_ML = "Core ML model"

_PUBLISHED = frozenset(
    {300, 301, 302, 304, 400, 401, 402, 404, 501, 560, 600, 601, 602, 603, 604, 606, 607, 609}
    | {610, 900, 2000, 2001, 2002, 2003, 2004, 2005, 2006, 3000}
)
"""Kinds of models that Model.proto has beside those which are looked into."""

_CUSTOM_LAYER, _CLASS = 500, 10
_FIRST_KIND = 200
_MAX_VERSION = 32
_MAX_DEPTH = 32
_MODEL_PATH = "@model_path/"


def is_core_ml(span: Span) -> bool:
    """Whether the bytes are a message with a version, a description and one kind of model."""
    if span.read(0, 1) != b"\x08":
        return False
    walk = Walk(CORE_ML)
    try:
        numbers = [(part.number, part.value) for part in fields(span, walk)]
    except ArtifactError:
        return False
    kinds = [number for number, _ in numbers if number >= _FIRST_KIND]
    is_plain = {number for number, _ in numbers if number < _FIRST_KIND} <= {1, 2, 10}
    return bool(kinds) and is_plain and numbers[0][1] <= _MAX_VERSION


@dataclass(slots=True)
class _Reading:
    walk: Walk = field(default_factory=lambda: Walk(CORE_ML))
    ends: dict[str, int] = field(default_factory=dict)


def judge_core_ml(span: Span) -> Iterator[Said]:
    """What a model asks for beside numbers.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    reading = _Reading()
    yield from _model(span, reading, _MAX_DEPTH)
    for place, end in reading.ends.items():
        yield Beside(place, end)


def _model(span: Span, reading: _Reading, depth: int) -> Iterator[Said]:
    if not depth:
        raise reading.walk.malformed(f"models stand {_MAX_DEPTH} deep in each other")
    for part in fields(span, reading.walk):
        if part.number >= _FIRST_KIND and part.is_nested:
            yield from _KINDS.get(part.number, _other)(part, reading, depth)


def _other(part: Field, _reading: _Reading, _depth: int) -> Iterator[Said]:
    """Trees, vectors, vocabularies: numbers and texts alone, where the kind is published."""
    if part.number not in _PUBLISHED:
        text = f"is a model of the kind {part.number}, which is not known here"
        yield Remark(Grade.UNKNOWN, f"kind {part.number}", text, 0)


def _wrapped(part: Field, reading: _Reading, depth: int) -> Iterator[Said]:
    for pipeline in _nested(part, reading.walk, 1):
        yield from _pipeline(pipeline, reading, depth)


def _pipeline(part: Field, reading: _Reading, depth: int) -> Iterator[Said]:
    for model in _nested(part, reading.walk, 1):
        yield from _model(model.body, reading, depth - 1)


def _network(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    for layer in _nested(part, reading.walk, 1):
        for custom in _nested(layer, reading.walk, _CUSTOM_LAYER):
            yield from _custom(custom, reading, 0)


def _nested(part: Field, walk: Walk, *numbers: int) -> Iterator[Field]:
    """The messages and texts inside of a message that have one of these numbers."""
    for inner in fields(part.body, walk):
        if inner.is_nested and inner.number in numbers:
            yield inner


def _custom(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    classes = _nested(part, reading.walk, _CLASS)
    names = [printable(name.text())[:80] for name in classes] or ["?"]
    for name in names:
        text = f"needs the class {name!r}, which the application must bring"
        yield Remark(Grade.CODE, name, text, 0)


def _linked(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    """A model in another file, by its name and the folders where it is looked for."""
    walk = reading.walk
    for file in _nested(part, walk, 1):
        said = {place.number: _default(place, walk) for place in _nested(file, walk, 1, 2)}
        name, folders = said.get(1, ""), said.get(2, "")
        yield Remark(
            Grade.CODE, name, f"needs the model {printable(name)[:80]!r} of another file", 0
        )
        if any(leads_out(place) for place in (name, *folders.split(":"))):
            shown = printable(folders)[:80]
            yield evasive(f"looks for a model at {shown!r}, outside of its folder")


def _default(part: Field, walk: Walk) -> str:
    return "".join(text.text() for text in _nested(part, walk, 2))


# Programs: functions of blocks of operations


def _program(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    for function in _entries(part, reading.walk, 2):
        for block in _entries(function, reading.walk, 3):
            yield from _block(block, reading, _MAX_DEPTH)


def _entries(part: Field, walk: Walk, number: int) -> Iterator[Field]:
    """The values of a map."""
    for entry in _nested(part, walk, number):
        yield from _nested(entry, walk, 2)


def _block(block: Field, reading: _Reading, depth: int) -> Iterator[Said]:
    if not depth:
        raise reading.walk.malformed(f"blocks stand {_MAX_DEPTH} deep in each other")
    for operation in _nested(block, reading.walk, _OPERATION):
        for part in _nested(operation, reading.walk, 1, 2, 4, 5):
            yield from _PARTS[part.number](part, reading, depth)


_OPERATION = 3


def _kind(part: Field, _reading: _Reading, _depth: int) -> Iterator[Said]:
    if part.text().lower().startswith("custom"):
        name = printable(part.text())[:80]
        text = f"has the operation {name!r}, whose class the application must bring"
        yield Remark(Grade.CODE, name, text, 0)


def _inputs(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    """One entry of a map of arguments, which are lists of names and constants."""
    for argument in _nested(part, reading.walk, 2):
        for binding in _nested(argument, reading.walk, 1):
            for value in _nested(binding, reading.walk, 2):
                yield from _value(value, reading, _MAX_DEPTH)


def _inner(part: Field, reading: _Reading, depth: int) -> Iterator[Said]:
    """The block of a loop or a branch."""
    yield from _block(part, reading, depth - 1)


def _attribute(part: Field, reading: _Reading, _depth: int) -> Iterator[Said]:
    for value in _nested(part, reading.walk, 2):
        yield from _value(value, reading, _MAX_DEPTH)


_PARTS = {1: _kind, 2: _inputs, 4: _inner, 5: _attribute}
"""What an operation holds, by the number of the field."""


def _value(value: Field, reading: _Reading, depth: int) -> Iterator[Said]:
    """A constant: in place, as a list or a map of constants, or in a file."""
    if not depth:
        raise reading.walk.malformed(f"values stand {_MAX_DEPTH} deep in each other")
    for part in _nested(value, reading.walk, 3, 5):
        if part.number == 5:  # noqa: PLR2004 - the place in a file
            yield from _place(part, reading)
            continue
        for held in _nested(part, reading.walk, 2, 3, 4):
            for inner in _nested(held, reading.walk, 1):
                if held.number in {2, 3}:
                    yield from _value(inner, reading, depth - 1)
                    continue
                for pair in _nested(inner, reading.walk, 1, 2):
                    yield from _value(pair, reading, depth - 1)


def _place(part: Field, reading: _Reading) -> Iterator[Said]:
    name, offset = "", 0
    for inner in fields(part.body, reading.walk):
        if inner.number == 1 and inner.is_nested:
            name = inner.text()
        elif inner.number == 2 and not inner.is_nested:  # noqa: PLR2004 - where in the file
            offset = inner.value
    place = name.removeprefix(_MODEL_PATH)
    if leads_out(place) or place == name:
        yield evasive(f"reads numbers from {printable(name)[:120]!r}, outside of its package")
    else:
        reading.ends[place] = max(reading.ends.get(place, 0), offset + 64)


_KINDS: dict[int, Callable[[Field, _Reading, int], Iterator[Said]]] = {
    200: _wrapped,
    201: _wrapped,
    202: _pipeline,
    303: _network,
    403: _network,
    500: _network,
    502: _program,
    555: _custom,
    556: _linked,
}
"""Fields of a model to what is looked into: pipelines, neural networks, programs, other code."""


def numbers_beside(span: Span) -> frozenset[str]:
    """Files that a model keeps numbers in, from the folder of the model.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    return frozenset(said.name for said in judge_core_ml(span) if isinstance(said, Beside))
