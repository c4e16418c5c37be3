"""A model changed after its export was attested: see `ChangeExport`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.formats.protobuf import Walk, fields
from hauberk.formats.spans import Span, span_of
from hauberk.methods.model_writing import field, onnx_node, onnx_tensor

_Part = tuple[int, bytes | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExport(Transform[ModelFile]):
    """Change one thing of an ONNX graph: a bit, an operator, a node, an output, a tensor.

    Args:
        change: Name of one change; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0018.001. A. Rakin et al., "Bit-Flip Attack", ICCV 2019.
    """

    title: ClassVar[str] = "Change a model after its export was attested"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-4"),)
    subject: ClassVar[type] = ModelFile

    change: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The attacked twin of an ONNX model; of any other file one bit is changed."""
        label = self.change or rng.choice(tuple(CHANGES))
        data = subject.path.read_bytes()
        if subject.path.suffix == ".onnx":
            changed = _rewritten(data, lambda parts: CHANGES[label](parts, rng))
        else:
            changed = _flipped(data, rng)
        path = subject.path.parent / f"changed-{subject.path.name}"
        path.write_bytes(changed)
        return Attacked(subject=ModelFile(name=path.name, path=path), truth={"change": label})


def _parts(span: Span) -> list[_Part]:
    return [
        (part.number, part.body.read(0, part.body.size) if part.wire else part.value)
        for part in fields(span, Walk("ONNX model"))
    ]


def _joined(parts: list[_Part]) -> bytes:
    return b"".join(field(number, value) for number, value in parts)


def _rewritten(data: bytes, change: Callable[[list[_Part]], list[_Part]]) -> bytes:
    top = _parts(span_of(data))
    return _joined(
        [
            (number, _joined(change(_parts(span_of(value)))))
            if number == 7 and isinstance(value, bytes)  # noqa: PLR2004 - the graph
            else (number, value)
            for number, value in top
        ]
    )


def _flipped(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    if out:
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _places(parts: list[_Part], number: int) -> list[int]:
    return [place for place, part in enumerate(parts) if part[0] == number]


def _bit(parts: list[_Part], rng: Random) -> list[_Part]:
    """One bit in the bytes of one initial value."""
    places = _places(parts, 5)
    if not places:
        return _insert(parts, rng)
    place = rng.choice(places)
    inner = [
        (number, _flipped(value, rng) if number in {4, 9} and isinstance(value, bytes) else value)
        for number, value in _parts(span_of(bytes(parts[place][1])))
    ]
    return [*parts[:place], (5, _joined(inner)), *parts[place + 1 :]]


def _operator(parts: list[_Part], rng: Random) -> list[_Part]:
    """Another operator in the place of one; the same one would be no change."""
    place = rng.choice(_places(parts, 1))
    node = _parts(span_of(bytes(parts[place][1])))
    others = [name for name in (b"Sigmoid", b"Tanh", b"Neg") if (4, name) not in node]
    inner = [
        (number, rng.choice(others) if number == 4 else value)  # noqa: PLR2004
        for number, value in node
    ]
    return [*parts[:place], (1, _joined(inner)), *parts[place + 1 :]]


def _insert(parts: list[_Part], rng: Random) -> list[_Part]:
    node = onnx_node(rng.choice(("Identity", "Neg", "Abs")))
    place = rng.choice(_places(parts, 1))
    return [*parts[:place], (1, node), *parts[place:]]


def _drop(parts: list[_Part], rng: Random) -> list[_Part]:
    place = rng.choice(_places(parts, 1))
    return [*parts[:place], *parts[place + 1 :]]


def _output(parts: list[_Part], _rng: Random) -> list[_Part]:
    """One more output that leaks the input."""
    return [*parts, (12, field(1, "x"))]


def _tensor(parts: list[_Part], rng: Random) -> list[_Part]:
    return [*parts, (5, onnx_tensor((1,), rng.randbytes(4)))]


CHANGES: Mapping[str, Callable[[list[_Part], Random], list[_Part]]] = {
    "bit": _bit,
    "operator": _operator,
    "insert": _insert,
    "drop": _drop,
    "output": _output,
    "tensor": _tensor,
}
"""Name of a change to what makes it, over the parts of a graph."""
