"""The header of safetensors files, judged by the rules of the format.

The format carries no code. What can still hurt is a header that lies: ranges that
overlap, leave holes or reach beyond the file. Rules: the format's README, "Format".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hauberk.errors import ArtifactError
from hauberk.formats.bounded_json import Doubled, read_json
from hauberk.formats.remarks import Said, evasive
from hauberk.formats.spans import Span

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins like safetensors: a length below 2**40, then a JSON object."""
    return head[8:9] == b"{" and head[5:8] == b"\0\0\0"


def judge_safetensors(span: Span) -> Iterator[Said]:
    """Remarks about the header and its metadata; none where they are ordinary."""
    yield from (evasive(problem) for problem in problems_of(span))
    metadata = _metadata(span)
    if not metadata:
        return
    from hauberk.formats.note_judgement import judge_note

    for key, text in metadata.items():
        if isinstance(text, str):
            yield from judge_note(key, text, 8)


def problems_of(span: Span) -> Iterator[str]:
    """What is wrong with the header; nothing where it keeps the rules."""
    size = int.from_bytes(span.read(0, 8), "little")
    if size > min(MAX_HEADER_BYTES, max(span.size - 8, 0)):
        yield f"the header claims {size} bytes of {span.size}"
        return
    header = _header(span)
    if header is None:
        yield "the header is no JSON object"
        return
    if any(isinstance(part, Doubled) for part in (header, *header.values())):
        yield "a name stands twice in the header"
        return
    metadata = header.get("__metadata__", {})
    is_plain = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not is_plain:
        yield "the metadata holds something else than text"
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    yield from _ranges(tensors, span.size - 8 - size)


def _header(span: Span) -> dict[str, Any] | None:
    size = int.from_bytes(span.read(0, 8), "little")
    try:
        header = read_json(span.read(8, size))
    except ArtifactError:
        return None
    return header if isinstance(header, dict) else None


def entries_of(span: Span) -> Iterator[tuple[str, Mapping[str, Any], Span]]:
    """Name, entry and bytes of each tensor, by name.

    Raises:
        ArtifactError: The header breaks a rule.
    """
    for problem in problems_of(span):
        raise ArtifactError(
            f"the safetensors file is malformed: {problem}",
            rule="the header describes every byte once",
            found=problem,
            hint="save the tensors again",
        )
    base = 8 + int.from_bytes(span.read(0, 8), "little")
    for name, entry in sorted((_header(span) or {}).items()):
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield name, entry, span.part(base + start, end - start)


def tensor_names(span: Span) -> set[str] | None:
    """Names of the tensors; ``None`` where the header cannot be read."""
    size = int.from_bytes(span.read(0, 8), "little")
    header = _header(span) if size <= min(MAX_HEADER_BYTES, span.size) else None
    return None if header is None else header.keys() - {"__metadata__"}


def _metadata(span: Span) -> Mapping[str, Any]:
    size = int.from_bytes(span.read(0, 8), "little")
    header = _header(span) if size <= min(MAX_HEADER_BYTES, span.size) else None
    found = header.get("__metadata__") if header else None
    return found if isinstance(found, dict) else {}


def _ranges(tensors: Mapping[str, Any], room: int) -> Iterator[str]:
    found = []
    for entry in tensors.values():
        problem = _entry_problem(entry)
        if problem:
            yield problem
            return
        found.append(tuple(entry["data_offsets"]))
    at = 0
    for start, end in sorted(found):
        if start != at:
            yield "tensors overlap" if start < at else "bytes between tensors belong to none"
            return
        at = end
    if at != room:
        yield f"tensors end at byte {at} of {room}"


def _entry_problem(entry: Any) -> str:
    try:
        start, end = entry["data_offsets"]
        bits = _BITS[entry["dtype"]]
        for size in entry["shape"]:
            if type(size) is not int or not 0 <= size < 1 << 62 or bits > 1 << 70:
                return "a shape cannot be"
            bits *= size
    except (KeyError, TypeError, ValueError, OverflowError):
        return "an entry does not name a known type, a shape and a range"
    if not isinstance(start, int) or not isinstance(end, int) or (end - start) * 8 != bits:
        return "a range does not fit its type and shape"
    return ""
