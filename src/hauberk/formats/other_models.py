"""Formats that are not read, looked at for what makes their loaders run code.

A file of these stays not assessed: what is told here is what can be seen without following it.
Java's serialized objects name their classes in plain text, and those that chains of calls are
built from are published; R's loader evaluates a promise when its value is used (CVE-2024-27322);
Core ML asks the application for the class of a custom layer or model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.protobuf import Field, Walk, fields
from hauberk.formats.remarks import Grade, Remark
from hauberk.formats.spans import Span

JAVA = "serialized Java object"
R_DATA = "R data"
CORE_ML = "Core ML model"

_LOOKED_AT = 16 << 20

_CHAINS = re.compile(
    rb"org\.apache\.commons\.(collections4?\.functors\.\w+Transformer|beanutils\.BeanComparator)"
    rb"|[\w.]*\.xsltc\.trax\.Templates(Impl|HandlerImpl)|org\.codehaus\.groovy\.runtime\.\w+Closure"
    rb"|org\.springframework\.(beans|aop|core|jndi|transaction)[\w.$]+|java\.lang\.(Runtime|ProcessBuilder)"
    rb"|javax\.script\.\w+|bsh\.\w+|clojure\.(core|lang|inspector)[\w.$]+|org\.mozilla\.javascript[\w.$]*"
    rb"|com\.sun\.rowset\.JdbcRowSetImpl|com\.mchange\.v2\.c3p0[\w.$]+|org\.hibernate[\w.$]+"
    rb"|java\.beans\.EventHandler|sun\.reflect\.annotation\.AnnotationInvocationHandler"
    rb"|javax\.management\.BadAttributeValueExpException|java\.rmi\.(server|registry)[\w.$]+"
    rb"|java\.net\.URL(?![\w.])|javax\.naming[\w.$]+|org\.jboss\.(interceptor|weld)[\w.$]+"
)


def _java(span: Span) -> Iterator[Remark]:
    found = _CHAINS.search(span.read(0, _LOOKED_AT))
    if found:
        name = printable(found[0].decode("ascii"))
        text = f"makes an object of {name}, which chains of calls are built from"
        yield Remark(Grade.DANGEROUS, name, text, found.start())


# R

_CODE = {3: "a function", 5: "a promise, which is evaluated when it is used", 6: "a call"}
_CODE |= {21: "compiled code"}
_WORDS = 3
"""Numbers behind the mark: version of the format, of the writer, of the oldest reader."""


def _r_data(span: Span) -> Iterator[Remark]:
    start = 7 if span.read(0, 3) == b"RDX" else 2
    version = int.from_bytes(span.read(start, 4), "big")
    at = start + 4 * _WORDS
    if version == 3:  # noqa: PLR2004 - the name of an encoding stands in front of the value
        at += 4 + int.from_bytes(span.read(at, 4), "big")
    kind = span.read(at + 3, 1)
    if kind and kind[0] in _CODE:
        text = f"gives {_CODE[kind[0]]}, and no value"
        yield Remark(Grade.CODE, "R code", text, at)


# Core ML

_NETWORKS = frozenset({303, 403, 500})
"""Fields of a model that hold a neural network: as a regressor, a classifier, for itself."""

_FROM_OUTSIDE = frozenset({555, 556})
"""A model by the name of its class, and one by the name of another file."""

_CUSTOM_LAYER, _CLASS_OF_LAYER = 500, 10
_FIRST_KIND = 200
_MAX_VERSION = 32


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


def _core_ml(span: Span) -> Iterator[Remark]:
    walk = Walk(CORE_ML)
    for part in fields(span, walk):
        if part.number in _FROM_OUTSIDE and part.is_nested:
            yield from _custom(part, walk, 1)
        elif part.number in _NETWORKS and part.is_nested:
            for layer in fields(part.body, walk):
                if layer.number == 1 and layer.is_nested:
                    yield from _layer(layer, walk)


def _layer(layer: Field, walk: Walk) -> Iterator[Remark]:
    for part in fields(layer.body, walk):
        if part.number == _CUSTOM_LAYER and part.is_nested:
            yield from _custom(part, walk, _CLASS_OF_LAYER)


def _custom(part: Field, walk: Walk, number: int) -> Iterator[Remark]:
    for inner in fields(part.body, walk):
        if inner.number == number and inner.is_nested:
            name = printable(inner.text())[:80]
            text = f"needs {name!r} from outside, which the application must bring"
            yield Remark(Grade.CODE, name, text, 0)


_JUDGES: dict[str, Callable[[Span], Iterator[Remark]]] = {
    JAVA: _java,
    R_DATA: _r_data,
    CORE_ML: _core_ml,
}


def judge_unread(span: Span, detail: str) -> Iterator[Remark]:
    """What can be seen of a format that is not read; nothing of most."""
    try:
        yield from _JUDGES[detail](span) if detail in _JUDGES else ()
    except ArtifactError:
        return  # it is not assessed in any case
