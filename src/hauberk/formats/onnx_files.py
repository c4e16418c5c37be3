"""A light reader of ONNX models: which operators from whom, which files beside them.

It walks the protobuf wire format by offsets and never loads a tensor. Field numbers are
those of ``onnx.proto`` (ONNX 1.16).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from hauberk.errors import ArtifactError
from hauberk.formats.pickle_values import printable
from hauberk.formats.protobuf import Field, Walk, fields, numbers
from hauberk.formats.remarks import Beside, Grade, Remark, Said, evasive
from hauberk.formats.spans import Span

MAX_DEPTH = 32
"""Graphs inside attributes of nodes inside graphs; ``Loop`` in ``If`` needs four."""

MAX_ELEMENTS = 1 << 40
"""Elements that one tensor may claim without bytes to show for them."""

_MODEL_FIELDS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26})
_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16}
_BYTES |= {16: 2, 17: 1, 18: 1, 19: 1, 20: 1}
"""Bytes of one element in ``raw_data``, by type; strings and packed types have none."""

_OWN = re.compile(
    r"(ai\.onnx(\.(ml|training|preview(\.training)?))?|com\.microsoft(\.\w+)*|com\.ms\.internal\.\w+"
    r"|ai\.onnx\.contrib|pkg\.\S+)?"
)
"""Domains that ONNX, its runtime and its converters define themselves."""

_VENDORS = re.compile(
    r"(trt\.plugins|mmdeploy|mmcv|com\.nvidia(\.\w+)*|nvidia(\.\w+)*|org\.pytorch\.\w+|org\.openvinotoolkit"
    r"|com\.intel(\.\w+)*|com\.qualcomm(\.\w+)*|com\.amd(\.\w+)*|com\.xilinx(\.\w+)*|vitis_ai\S*"
    r"|com\.github\.\S+|mlprodict|finn\S*|qonnx\S*|org\.neuronx\S*)"
)
"""Domains of plug-ins that vendors publish: a second person decides about them."""

_STANDARD = Path(__file__).with_name("onnx_operators.txt")
"""Written from the schemas of onnx 1.15 to 1.19, with the experimental ones of before 1.4."""

LAST_OPSET = 24
"""Version of the standard operators up to which that file knows all of them."""

_PLUGINS = re.compile(r"\w+_TRT|TRT\w+|\w+Plugin(Dynamic)?|DCNv\d|DeformConv2d|\w+_DLA")
"""Names that plug-ins of one vendor's runtime have in the domain of the standard itself."""

_PYTHON = re.compile(r"(Py(thon)?(Custom)?(Op|Func(tion)?)?|PythonOp\w*|PyOp|PyCustomOp\w*)")


@dataclass(slots=True)
class OnnxSummary:
    """What a model refers to.

    Attributes:
        operators: ``(domain, operator)`` of all nodes; the default domain is empty.
        functions: ``(domain, name)`` of functions that the model brings along, with the
            operators in each.
        opset: Version of the standard's operators that it asks for; 0 where it does not say.
        notes: Metadata for people, by key.
        external: Locations of files that hold tensors, with how far each is read.
        contexts: Locations of programs that were compiled for a processor's driver.
        problems: What no honest writer makes.
        open: What could not be judged, for a person to decide about.
    """

    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)
    opset: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    external: dict[str, int] = field(default_factory=dict)
    problems: dict[str, None] = field(default_factory=dict)
    contexts: dict[str, None] = field(default_factory=dict)
    open: dict[str, None] = field(default_factory=dict)
    walk: Walk = field(default_factory=lambda: Walk("ONNX model"))


def is_onnx(span: Span) -> bool:
    """Whether the bytes are one whole protobuf message with the fields of an ONNX model."""
    if span.read(0, 1) != b"\x08":
        return False
    try:
        found = {part.number for part in fields(span, Walk("ONNX model"))}
    except ArtifactError:
        return _begins_onnx(span)
    return 7 in found and found <= _MODEL_FIELDS  # noqa: PLR2004 - the graph


_HEAD = re.compile(rb"\x08[\x01-\x10]\x12[\x01-\x40][\x20-\x7e]{2}|\x08[\x03-\x10](:|\x42)")


def _begins_onnx(span: Span) -> bool:
    """Whether a cut or broken message begins as writers of ONNX begin."""
    return _HEAD.match(span.read(0, 8)) is not None and b"\x3a" in span.read(0, 4096)


def judge_onnx(span: Span) -> Iterator[Said]:
    """What is wrong with a model; nothing where it is ordinary.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    summary = read_onnx(span)
    yield from (evasive(problem) for problem in summary.problems)
    yield from (Remark(Grade.UNKNOWN, "trees", text, 0) for text in summary.open)
    yield from _operators(summary)
    if {"If", "Where"} & {operator for _, operator in summary.operators}:
        from hauberk.formats.onnx_branches import trigger_branches

        for name in trigger_branches(span)[:1]:
            text = f"chooses another answer where its raw input has a value ({printable(name)!r})"
            yield evasive(text)
    for place in sorted(summary.external):
        if leads_out(place):
            yield evasive(f"reads tensors from {printable(place)!r}, outside of its folder")
        else:
            yield Beside(place, summary.external[place])
    for place in summary.contexts:
        if leads_out(place):
            yield evasive(f"runs a program from {printable(place)!r}, outside of its folder")
    yield from _notes(summary.notes)


def _notes(notes: Mapping[str, str]) -> Iterator[Said]:
    from hauberk.formats.note_judgement import judge_note

    for key, text in notes.items():
        yield from judge_note(key, text)


def _functions(summary: OnnxSummary) -> Iterator[Remark]:
    """Functions that the model brings along, which runtimes put in place of the nodes."""
    for domain, name in sorted(summary.functions):
        if not domain and name in standard_operators():
            shown = printable(name)
            yield evasive(f"brings a function of its own for the operator {shown!r} of ONNX")
    done: set[tuple[str, str]] = set()
    for start in summary.functions:
        waiting, above = [(start, False)], set[tuple[str, str]]()
        while waiting:
            function, is_left = waiting.pop()
            if is_left:
                above.discard(function)
                done.add(function)
            elif function in above:
                yield evasive(f"its function {printable(function[1])!r} calls itself without end")
                return
            elif function not in done:
                above.add(function)
                waiting.append((function, True))
                called = summary.functions[function]
                waiting += [(item, False) for item in called if item in summary.functions]


def _operators(summary: OnnxSummary) -> Iterator[Remark]:
    yield from _functions(summary)
    foreign = summary.operators - summary.functions.keys()
    for domain, operator in sorted(summary.operators):
        shown = printable(f"{domain}.{operator}")
        if _PYTHON.fullmatch(operator) and domain:
            text = f"has the operator {shown}, which calls Python of the process that runs it"
            yield Remark(Grade.DANGEROUS, shown, text, 0)
        if operator == "EPContext" and domain == "com.microsoft":
            text = (
                f"has the operator {shown}: a program for a processor's driver, which is not read"
            )
            yield Remark(Grade.UNKNOWN, shown, text, 0)
    for domain in sorted({domain for domain, _ in foreign}):
        if not _OWN.fullmatch(domain):
            grade = Grade.UNKNOWN if _VENDORS.fullmatch(domain) else Grade.CODE
            text = f"needs operators of {printable(domain)!r}, which a library outside must bring"
            yield Remark(grade, domain, text, 0)
    for operator in sorted(operator for domain, operator in foreign if not domain):
        if operator not in standard_operators():
            shown = printable(operator)
            is_newer = summary.opset > LAST_OPSET or _PLUGINS.fullmatch(operator)
            grade = Grade.UNKNOWN if is_newer else Grade.CODE
            text = f"has the operator {shown!r}, which no version of ONNX has"
            yield Remark(grade, shown, f"{text}: a library outside must bring it", 0)


@cache
def standard_operators() -> frozenset[str]:
    """Names of operators of the standard's own domains, in all its versions."""
    return frozenset(_STANDARD.read_text("ascii").split())


def leads_out(place: str) -> bool:
    """Whether a location of tensors is anything but a plain path below the model's folder."""
    parts = re.split(r"[/\\]", place)
    return place.startswith(("/", "\\", "~")) or ".." in parts or ":" in place or "\0" in place


def read_onnx(span: Span) -> OnnxSummary:
    """What the model refers to.

    Raises:
        ArtifactError: The message is malformed or too large.
    """
    summary = OnnxSummary()
    graphs = 0
    for part in fields(span, summary.walk):
        if part.number == 7 and part.is_nested:  # noqa: PLR2004 - the graph
            graphs += 1
            _graph(part.body, summary, 1)
        elif part.number in _PARTS and part.is_nested:
            _PARTS[part.number](part.body, summary)
    if graphs > 1:
        summary.problems["it has more than one graph, which readers merge or choose from"] = None
    return summary


MAX_NOTES = 10_000
_NOTE_BYTES = 1 << 20


def _training(span: Span, summary: OnnxSummary) -> None:
    for inner in fields(span, summary.walk):
        if inner.is_nested and inner.number in {1, 2}:
            _graph(inner.body, summary, 1)


def _note(span: Span, summary: OnnxSummary) -> None:
    entry = {part.number: part for part in fields(span, summary.walk)}
    if {1, 2} <= entry.keys() and len(summary.notes) < MAX_NOTES:
        text = entry[2].body.read(0, _NOTE_BYTES)
        summary.notes[entry[1].text()] = text.decode("utf-8", "replace")


def _opset(span: Span, summary: OnnxSummary) -> None:
    domain, version = "", 0
    for part in fields(span, summary.walk):
        if part.number == 1:
            domain = _plain_domain(part.text())
        elif part.number == 2:  # noqa: PLR2004
            version = part.value
    if not domain:
        summary.opset = max(summary.opset, version)


def _plain_domain(name: str) -> str:
    """The standard's own domain has two names."""
    return "" if name == "ai.onnx" else name


def _graph(span: Span, summary: OnnxSummary, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise summary.walk.malformed(f"graphs are nested more than {MAX_DEPTH} deep")
    for part in fields(span, summary.walk):
        if not part.is_nested:
            continue
        if part.number == 1:
            _node(part.body, summary, depth)
        elif part.number == 5:  # noqa: PLR2004 - initial values
            _tensor(part.body, summary)
        elif part.number == 15:  # noqa: PLR2004 - sparse ones: two tensors each
            _sparse(part.body, summary)


def _node(span: Span, summary: OnnxSummary, depth: int) -> None:
    domain = operator = ""
    attributes: list[Span] = []
    for part in fields(span, summary.walk):
        if part.number == 4:  # noqa: PLR2004
            operator = part.text()
        elif part.number == 7:  # noqa: PLR2004
            domain = _plain_domain(part.text())
        elif part.number == 5 and part.is_nested:  # noqa: PLR2004
            _attribute(part.body, summary, depth)
            attributes.append(part.body)
    summary.operators.add((domain, operator))
    for body in attributes if operator == "EPContext" else ():
        _context(body, summary)
    if operator.startswith("TreeEnsemble"):
        from hauberk.formats.onnx_trees import NOT_FOLLOWED, tree_problems

        for problem in tree_problems(attributes, Walk(summary.walk.format)):
            place = summary.open if problem == NOT_FOLLOWED else summary.problems
            place[problem] = None


def _attribute(span: Span, summary: OnnxSummary, depth: int) -> None:
    for part in fields(span, summary.walk, passing=_LISTS):
        if not part.is_nested:
            continue
        if part.number in {6, 11}:
            _graph(part.body, summary, depth + 1)
        elif part.number in {5, 10}:
            _tensor(part.body, summary)
        elif part.number in {22, 23}:
            _sparse(part.body, summary)


def _context(span: Span, summary: OnnxSummary) -> None:
    """Where a compiled program lies; one that is brought along is no text."""
    found = {part.number: part for part in fields(span, summary.walk)}
    if {1, 4} <= found.keys() and found[1].text() == _CONTEXT:
        place = found[4].body.read(0, _MAX_PLACE_BYTES).decode("utf-8", "replace")
        if place.isprintable():
            summary.contexts[place] = None


_LISTS = frozenset({7, 8, 9})
"""Floats, numbers and strings of an attribute: a forest has millions, and none is looked at."""

_CONTEXT = "ep_cache_context"
"""Attribute of ``EPContext``: a compiled program, or the place of one."""

_MAX_PLACE_BYTES = 4096


def _sparse(span: Span, summary: OnnxSummary) -> None:
    for part in fields(span, summary.walk):
        if part.is_nested and part.number in {1, 2}:
            _tensor(part.body, summary)


def _tensor(span: Span, summary: OnnxSummary) -> None:
    """A tensor: its shape against its bytes, and where else its bytes may lie."""
    dims: list[int] = []
    kind, raw, is_external = 0, -1, False
    place: dict[str, str] = {}
    for part in fields(span, summary.walk):
        if part.number == 1:
            dims.extend(numbers(part, summary.walk))
        elif part.number == 2:  # noqa: PLR2004
            kind = part.value
        elif part.number == 9 and part.is_nested:  # noqa: PLR2004
            raw = part.body.size
        elif part.number == 13 and part.is_nested:  # noqa: PLR2004
            _external(part, summary, place)
        elif part.number == 14:  # noqa: PLR2004
            is_external = part.value == 1
    if "location" in place:
        end = sum(int(place[key]) for key in ("offset", "length") if key in place)
        known = summary.external.get(place["location"], 0)
        summary.external[place["location"]] = max(known, end)
    _shape(dims, -1 if is_external else raw, _BYTES.get(kind, 0), summary)


def _shape(dims: list[int], raw: int, width: int, summary: OnnxSummary) -> None:
    claimed = 1
    for size in dims:
        claimed *= max(size, -1)
        if size < 0 or claimed > MAX_ELEMENTS:
            summary.problems["a tensor claims a shape that cannot be"] = None
            return
    if raw >= 0 and width and claimed * width != raw:
        summary.problems["a tensor claims a shape that does not fit its bytes"] = None


def _external(part: Field, summary: OnnxSummary, place: dict[str, str]) -> None:
    entry = {inner.number: inner.text() for inner in fields(part.body, summary.walk)}
    key, value = entry.get(1, ""), entry.get(2, "")
    if key in {"offset", "length"} and not re.fullmatch(r"[0-9]{1,19}", value):
        summary.problems["a tensor's place in another file is no number"] = None
    elif key in {"location", "offset", "length"}:
        place[key] = value
    elif key not in {"checksum", "basepath"}:
        summary.problems["a tensor's place has an entry that ONNX does not know"] = None


def _function(span: Span, summary: OnnxSummary) -> None:
    name = domain = ""
    own = replace(summary, operators=set())
    for part in fields(span, summary.walk):
        if part.number == 1:
            name = part.text()
        elif part.number == 10:  # noqa: PLR2004
            domain = _plain_domain(part.text())
        elif part.number == 7 and part.is_nested:  # noqa: PLR2004
            _node(part.body, own, 1)
    summary.operators |= own.operators
    summary.functions[domain, name] = own.operators


_PARTS = {8: _opset, 14: _note, 20: _training, 25: _function}
"""Fields of a model beside its graph: versions of operators, notes, training, functions."""
