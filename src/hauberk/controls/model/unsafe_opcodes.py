"""Model files that run code when they are loaded: see `UnsafeOpcodes`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.identity import ThreatId
from hauberk.core.model_file import Hashes, ModelFile
from hauberk.errors import ArtifactError, LimitError, UnavailableError
from hauberk.formats.archives import Ledger, Trouble, TroubleKind
from hauberk.formats.contents import PLAIN, TAIL, contents
from hauberk.formats.model_judgement import is_judged, judge_part
from hauberk.formats.parts import Kind, Part
from hauberk.formats.pickle_events import Embedded, Ended, Imported
from hauberk.formats.pickle_judgement import Grade, Remark, judge
from hauberk.formats.pickle_values import Group, printable
from hauberk.formats.pickles import MAX_OPCODES, read_pickle
from hauberk.formats.remarks import Beside, Nested
from hauberk.formats.spans import Span, open_span

MAX_FINDINGS = 100
"""Findings told of one file; the first are enough to refuse it."""

MAX_EMBEDDED = 1_000
"""Constants inside pickles that are looked into."""

MAX_EXPANDED = 1 << 60
"""Parts of a result counted as often as they are referred to: whoever prints, copies or
compares it visits as many."""

_CARVED_BYTES = 16 << 20
_MAX_CARVED = 200
_CARVE = re.compile(
    rb"\x80[\x02-\x05](?=[\x95c}\](X\x8c\x28])|[ci](?=[a-z_][\w.]{1,60}\n[A-Za-z_][\w.]{0,60}\n)"
)

_SEVERITY = {
    Grade.DANGEROUS: Severity.CRITICAL,
    Grade.CODE: Severity.HIGH,
    Grade.EVASIVE: Severity.HIGH,
    Grade.UNKNOWN: Severity.MEDIUM,
}
_REMEDY = {
    Grade.DANGEROUS: "Do not load this file. Ask its publisher for safetensors, ONNX or skops.",
    Grade.CODE: "Do not load this file outside of a sandbox; define the function in a package "
    "and refer to it by name.",
    Grade.EVASIVE: "Do not load this file; fetch it again and compare its digest with the "
    "publisher's.",
    Grade.UNKNOWN: "Find out what this name does when it is loaded, and list it in the policy "
    "with an owner and a reason.",
}


_Noted = tuple[Remark, tuple[str, ...], str]
"""A remark, where it was made, and the threat that it is about."""

_THREATS = {
    Kind.ONNX: "EX-4",
    Kind.GRAPH: "EX-4",
    Kind.HDF5: "EX-4",
    Kind.TFLITE: "EX-5",
    Kind.CODE: "EX-5",
    Kind.GGUF: "EX-9",
    Kind.MODEL_TEXT: "EX-9",
    Kind.SAFETENSORS: "EX-10",
    Kind.NPY: "EX-10",
    Kind.BOOSTER: "EX-10",
}
"""Format to the threat that its findings are about; pickles and containers are EX-1."""


class _Reading:
    """What was found so far in one file.

    Attributes:
        worst: The worst remark about each thing, in the order of discovery.
    """

    def __init__(self, path: str, ledger: Ledger) -> None:
        self.path = path
        self.ledger = ledger
        self.file: Path | None = None
        self.worst: dict[tuple[tuple[str, ...], str], _Noted] = {}
        self.unread: list[str] = []
        self.judged = 0
        self.foreign = 0
        self.embedded = 0

    def note(self, remark: Remark, inner: tuple[str, ...], threat: str = "EX-1") -> None:
        """Keep ``remark`` unless something as bad is known about the same thing."""
        key = (inner, remark.about)
        known = self.worst.get(key)
        if known is None and len(self.worst) >= MAX_FINDINGS and remark.grade < Grade.DANGEROUS:
            return
        if known is None or known[0].grade < remark.grade or _says_more(known[0], remark):
            self.worst[key] = (remark, inner, threat)


def _says_more(old: Remark, new: Remark) -> bool:
    """Whether the second remark decodes the call where the first only names the import."""
    return (
        old.grade == new.grade and old.text.startswith("imports") and not new.text.startswith("imp")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeOpcodes(Check[ModelFile]):
    r"""Files whose loading would import or call something that is not on a reviewed list.

    The file is taken apart by its content, through archives and compressed streams, and
    every pickle in it is followed symbolically: nothing is unpickled. Each import and call
    is held against a list of exact names that was generated from the libraries that write
    honest models, with the shape of the arguments where that matters. A call of a name known
    to run code is critical and shown decoded; a structure that no honest writer makes is
    high; a name that nobody has reviewed is a medium finding for a person to decide.

    Other formats have readers of their own, which load nothing either: graphs of ONNX,
    TensorFlow and TensorFlow Lite by their operators, Keras and HDF5 by the classes, code and
    files that they name, GGUF by its places and chat templates, configurations of hubs by the
    code, templates and prompts that they bring. Archives are opened at any depth, within a
    budget.

    Limits:
        A listed class is trusted with any state, unless its library turns state into code.
        What the readers of other formats do not follow (compressed heaps of HDF5, encrypted
        members, unknown formats) ends as not assessed. Triggers hidden in weights are invisible
        here. Whether the loading machine has a module that answers to a listed name with
        other code is the business of locked environments.

    Args:
        max_unpacked_bytes: Bytes that archives and streams in one file may unpack to.
            More costs disk and time; a file beyond it is refused.
        max_opcodes: Work that one pickle may cost; a million tokens need three million. A
            longer one ends as not assessed.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.bin")
        ...     _ = path.write_bytes(b"cos\nsystem\n(S'id'\ntR.")
        ...     found = list(UnsafeOpcodes().check(ModelFile(name="model.bin", path=path)))
        >>> found[0].message
        "model.bin: loading it calls os.system('id')"

    References:
        CPython, ``Lib/pickletools.py`` and ``Modules/_pickle.c``; MITRE ATLAS AML.T0011.000;
        CWE-502.
    """

    title: ClassVar[str] = "Model file that runs code when it is loaded"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("EX-1"),
        ThreatId("EX-4"),
        ThreatId("EX-5"),
        ThreatId("EX-6"),
        ThreatId("EX-8"),
        ThreatId("EX-9"),
        ThreatId("EX-10"),
        ThreatId("EX-11"),
        ThreatId("XC-3"),
    )
    subject: ClassVar[type] = ModelFile

    max_unpacked_bytes: int = 8 << 30
    max_opcodes: int = MAX_OPCODES

    def check(self, subject: ModelFile) -> Iterator[Finding]:
        """Findings in the order in which the bytes lie, the worst about each thing.

        Raises:
            UnavailableError: The file, or a part of it, cannot be read.
            NotApplicable: The file is in a format that carries no model.
        """
        reading = _Reading(
            subject.name, Ledger(max_bytes=self.max_unpacked_bytes, max_opcodes=self.max_opcodes)
        )
        for name, path in _files(subject):
            _read_file(name, path, reading, subject.hashing)
        yield from _findings(reading)
        if reading.unread and not any(
            _is_defect(remark) for remark, _, _ in reading.worst.values()
        ):
            raise _unread(subject, reading)
        if reading.foreign and not reading.judged:
            raise NotApplicable(f"{subject.name} is in no format that models come in")


def _files(subject: ModelFile) -> Iterator[tuple[str, Path]]:
    if not subject.path.is_dir():
        yield "", subject.path
        return
    for path in sorted(subject.path.rglob("*")):
        if path.is_file() or path.is_symlink():
            yield str(path.relative_to(subject.path)), path


# Reading


def _read_file(name: str, path: Path, reading: _Reading, hashing: Hashes | None) -> None:
    """Judge one file; what was found before the reading broke off stays found."""
    inner = (name,) if name else ()
    reading.file = path
    try:
        with (
            open_span(path, steady=True) as span,
            hashing.over(span) if hashing is not None else nullcontext(span) as seen,
        ):
            _read(seen, name, reading)
    except UnavailableError as error:
        reading.unread.append(_where(inner, error.message))
    except ArtifactError as error:
        reading.note(Remark(Grade.EVASIVE, error.message, error.message, 0), inner)


def _read(
    span: Span,
    name: str,
    reading: _Reading,
    inner: tuple[str, ...] = (),
    *,
    is_constant: bool = False,
) -> None:
    """Judge everything in ``span``; of a constant inside a pickle only what would run."""
    place = (*inner, name) if name and not is_constant else inner
    for part in contents(span, name or reading.path, place, reading.ledger):
        if isinstance(part, Trouble):
            _note_trouble(part, reading, is_constant=is_constant)
        elif part.kind is Kind.PICKLE:
            _read_pickle(part, reading, is_constant=is_constant)
        elif is_judged(part.kind) and not is_constant:
            _judge(part, reading)
        elif not is_constant:
            _READERS.get(part.kind, _judged)(part, reading)


def _note_trouble(trouble: Trouble, reading: _Reading, *, is_constant: bool = False) -> None:
    if trouble.kind is TroubleKind.UNREAD:
        if not is_constant:
            reading.unread.append(_where(trouble.inner, trouble.reason))
    elif not is_constant or trouble.kind is TroubleKind.BOUND:
        remark = Remark(Grade.EVASIVE, trouble.reason, trouble.reason, trouble.offset or 0)
        is_bomb = trouble.kind is TroubleKind.BOUND or "overlap" in trouble.reason
        reading.note(remark, trouble.inner, "EX-10" if is_bomb else "EX-1")


def _where(inner: tuple[str, ...], reason: str) -> str:
    return f"{' > '.join(inner)}: {reason}" if inner else reason


def _read_pickle(part: Part, reading: _Reading, *, is_constant: bool) -> None:
    reading.judged += 1
    # Under a second reading array bytes are taken for opcodes and names come out scrambled:
    # only names known to be dangerous count there.
    is_second = part.detail == PLAIN
    for event in part.events or ():
        if isinstance(event, Embedded):
            _read_embedded(event, part, reading)
        elif isinstance(event, Ended):
            if not is_second and not is_constant:
                _note_end(event, part, reading)
        elif isinstance(event, Imported) or not is_second:
            for remark in judge(event):
                if remark.grade is Grade.DANGEROUS or not is_second:
                    reading.note(remark, part.inner)


def _note_end(event: Ended, part: Part, reading: _Reading) -> None:
    if event.broken:
        text = f"stops with an error: {event.broken}"
        reading.note(Remark(Grade.EVASIVE, "broken", text, event.offset), part.inner)
    elif isinstance(event.result, Group) and event.result.weight >= MAX_EXPANDED:
        text = f"gives a value of more than {MAX_EXPANDED} parts, the same ones again and again"
        reading.note(Remark(Grade.EVASIVE, "expansion", text, event.offset), part.inner)


def _read_embedded(event: Embedded, part: Part, reading: _Reading) -> None:
    reading.embedded += 1
    if reading.embedded > MAX_EMBEDDED:
        return
    inner = (*part.inner, f"constant at byte {event.offset}")
    if not event.is_text:
        _read(event.span, "", reading, inner, is_constant=True)
        return
    own = _Reading(reading.path, reading.ledger)
    _read(event.span, "", own, inner, is_constant=True)
    for remark, place, threat in own.worst.values():
        if remark.grade is Grade.DANGEROUS:
            text = f"gives a text that could be unpickled, which {remark.text}"
            reading.note(Remark(Grade.UNKNOWN, remark.about, text, remark.offset), place, threat)


def _judged(_part: Part, reading: _Reading) -> None:
    reading.judged += 1


def _foreign(part: Part, reading: _Reading) -> None:
    reading.foreign += 1
    if part.kind is Kind.FOREIGN and part.detail.startswith(("Parquet", "Arrow")):
        from hauberk.formats.arrow_types import unpickled_parts

        for found in unpickled_parts(part.span):
            reading.note(Remark(Grade.UNKNOWN, "schema", found.text, 0), part.inner)
            _carve(part._replace(span=found.span, offset=0), reading)
            reading.judged += 1


def _storage(part: Part, reading: _Reading) -> None:
    if part.detail == TAIL:
        _carve(part, reading)


def _data(part: Part, reading: _Reading) -> None:
    """Values that a program may hand on to a loader: bytes in a database or in a message."""
    reading.judged += 1
    _carve(part, reading)
    if part.detail == "SQLite":
        from hauberk.formats.sqlite_files import long_values

        for value in long_values(part.span):
            _carve(part._replace(span=value, inner=(*part.inner, "a long value")), reading)


def _empty(part: Part, reading: _Reading) -> None:
    if not part.inner:
        reading.unread.append("the file is empty")


def _unreadable(part: Part, reading: _Reading) -> None:
    from hauberk.formats.files_beside import is_named_beside

    if part.kind is Kind.UNKNOWN and reading.file is not None and is_named_beside(reading.file):
        reading.judged += 1  # numbers that a graph beside it reads
    else:
        reading.unread.append(_where(part.inner, f"{part.kind}: {part.detail}"))
    if part.kind is Kind.UNREAD:
        from hauberk.formats.other_models import judge_unread

        for remark in judge_unread(part.span, part.detail):
            reading.note(remark, part.inner)
    _carve(part, reading)


def _judge(part: Part, reading: _Reading) -> None:
    """A format with a reader of its own."""
    reading.judged += 1
    for said in judge_part(part):
        if isinstance(said, Trouble):
            _note_trouble(said._replace(inner=(*part.inner, *said.inner)), reading)
        elif isinstance(said, Beside):
            if reading.file is not None and not part.inner[1:]:
                _beside(said, part, reading, reading.file)
        elif isinstance(said, Nested):
            _read(said.span, "", reading, (*part.inner, said.name), is_constant=True)
        else:
            placed = said if said.offset else said._replace(offset=-1)
            reading.note(placed, part.inner, _threat(part, said))


def _beside(said: Beside, part: Part, reading: _Reading, file: Path) -> None:
    """A file that a loader reads as numbers is there, as long as is asked for, and no link."""
    place = file.with_suffix(said.name) if said.name == ".bin" else file.parent / said.name
    shown = printable(place.name if said.name == ".bin" else said.name)
    from hauberk.formats.hub_folders import is_led_out

    try:
        size = place.stat().st_size
    except OSError:
        return  # where it should be beside the model is known of whole folders only
    if place.is_symlink() and is_led_out(file.parent, place):
        text = f"reads tensors from {shown!r}, which is a link that leads out of the folder"
    elif size < said.end:
        text = f"reads {said.end} bytes of {shown!r}, which has {size}"
    else:
        return
    reading.note(Remark(Grade.EVASIVE, text, text, 0), part.inner, "EX-4")


def _threat(part: Part, remark: Remark) -> str:
    """What a remark about a format is evidence of."""
    from hauberk.formats.text_kinds import TextKind

    if part.kind is not Kind.MODEL_TEXT or part.detail == TextKind.TEMPLATE:
        return _THREATS.get(part.kind, "EX-1")
    if part.detail == TextKind.KERAS:
        return "EX-4"
    if "id2label" in remark.text:
        return "EX-8"
    return (
        "EX-6"
        if remark.grade in {Grade.CODE, Grade.DANGEROUS} and not _is_template(remark)
        else "EX-9"
    )


def _is_template(remark: Remark) -> bool:
    return "renders a template" in remark.text


def _skops(part: Part, reading: _Reading) -> None:
    from hauberk.formats.skops_files import skops_names

    reading.judged += 1
    for name in skops_names(part.span):
        for remark in judge(Imported(name)):
            reading.note(remark, part.inner)


_READERS: dict[Kind, Callable[[Part, _Reading], None]] = {
    Kind.STORAGE: _storage,
    Kind.DATA: _data,
    Kind.SKOPS: _skops,
    Kind.TEXT: _foreign,
    Kind.FOREIGN: _foreign,
    Kind.EMPTY: _empty,
    Kind.UNREAD: _unreadable,
    Kind.UNKNOWN: _unreadable,
}


def _carve(part: Part, reading: _Reading) -> None:
    """Look for dangerous pickles inside bytes of no known format; only those are told."""
    data = part.span.read(part.offset, _CARVED_BYTES)
    for _, match in zip(range(_MAX_CARVED), _CARVE.finditer(data), strict=False):
        _read_hidden(part, part.offset + match.start(), reading)


def _read_hidden(part: Part, at: int, reading: _Reading) -> None:
    inner = (*part.inner, f"hidden at byte {at}")
    # Chance matches are many and break at once; a long one has told its imports by then.
    with suppress(LimitError):
        for event in read_pickle(part.span, at, arrays=True, max_opcodes=20_000):
            for remark in judge(event):
                if remark.grade is Grade.DANGEROUS:
                    reading.note(remark, inner)


# Telling


_STATES = ("has ", "needs ", "is ", "declares ", "holds ", "its ", "text for ", "adds ")
"""How a remark begins that says what a file is, and not what loading it does."""


def _findings(reading: _Reading) -> Iterator[Finding]:
    ordered = sorted(reading.worst.values(), key=lambda item: -item[0].grade)
    for remark, inner, threat in ordered[:MAX_FINDINGS]:
        place = f"{reading.path} > {' > '.join(inner)}" if inner else reading.path
        is_state = remark.grade is Grade.EVASIVE or remark.text.startswith(_STATES)
        verb = "" if is_state else "loading it "
        yield Finding(
            message=f"{place}: {verb}{remark.text}",
            path=reading.path,
            severity=_SEVERITY[remark.grade],
            level=Level.DEFECT if _is_defect(remark) else Level.REVIEW,
            confidence=0.5 if remark.grade is Grade.UNKNOWN else 1.0,
            remedy=_REMEDY[remark.grade],
            location=Location(offset=remark.offset if remark.offset >= 0 else None, inner=inner),
            evidence=Evidence(facts=_facts(remark)),
            threats=_about(threat),
        )


def _facts(remark: Remark) -> dict[str, str]:
    facts = {"grade": remark.grade.name.lower(), "about": remark.about}
    return facts | ({"opcode": remark.node} if remark.node else {})


def _about(threat: str) -> tuple[ThreatId, ...]:
    """A bomb is an attack on the scanner too."""
    named = ThreatId(threat)
    return (named, ThreatId("XC-3")) if threat == "EX-10" else (named,)


def _is_defect(remark: Remark) -> bool:
    return remark.grade > Grade.UNKNOWN


def _unread(subject: ModelFile, reading: _Reading) -> UnavailableError:
    return UnavailableError(
        f"{subject.name} could not be assessed: {reading.unread[0]}",
        subject=subject.name,
        rule="every part of a model file is read before it is judged",
        found="; ".join(reading.unread[:5]),
        hint="unpack or convert it where that is safe, or refuse it",
    )
