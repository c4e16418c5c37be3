"""GGUF files: header, metadata and the places of tensors, held against the file.

The format carries no code, but a chat template that runtimes render, and counts, lengths
and offsets that readers in C believed (GHSA advisories of llama.cpp, 2024). Layout: the
``docs/gguf.md`` of ggml, versions 1 to 3. Tensors are skipped by their offsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hauberk.errors import ArtifactError
from hauberk.formats.remarks import Remark, Said, evasive
from hauberk.formats.spans import Span
from hauberk.formats.template_judgement import judge_template

MAGIC = b"GGUF"

MAX_KEYS = 100_000
"""Metadata entries; the richest files have some hundred."""

MAX_TENSORS = 1_000_000
MAX_ITEMS = 4_000_000
"""Items of all arrays together; vocabularies have a few hundred thousand."""

MAX_NOTES = 10_000
MAX_STRING_BYTES = 16 << 20
MAX_DIMS = 8
MAX_NESTING = 4

_WINDOW = 1 << 20
_MIN_KEY_BYTES = 13
_MIN_TENSOR_BYTES = 24
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each fixed type of metadata: integers, float, bool."""

_BLOCKS = (
    {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34)}
    | {9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176)}
    | {14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98)}
    | {19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136)}
    | {24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56)}
    | {30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17)}
)
"""Tensor type to elements and bytes of one block."""


@dataclass(slots=True)
class _Header:
    """What was read so far."""

    alignment: int = 32
    keys: set[str] = field(default_factory=set)
    templates: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[tuple[str, str, int]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    tensors: list[_Tensor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    offset: int
    size: int


class _Cursor:
    """Reads forward through the header in large pieces."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._window = b""
        self._start = 0
        self.at = 0
        self.order = "<"
        self.wide = True
        self.items = 0

    def take(self, size: int) -> bytes:
        if size > self._span.size - self.at:
            raise _malformed(f"{size} bytes are claimed at byte {self.at}, beyond the end")
        begin = self.at - self._start
        if begin < 0 or begin + size > len(self._window):
            self._window = self._span.read(self.at, max(size, _WINDOW))
            self._start, begin = self.at, 0
        self.at += size
        return self._window[begin : begin + size]

    def skip(self, size: int) -> None:
        if size > self._span.size - self.at:
            raise _malformed(f"{size} bytes are claimed at byte {self.at}, beyond the end")
        self.at += size

    def number(self, size: int) -> int:
        order = "little" if self.order == "<" else "big"
        return int.from_bytes(self.take(size), order)  # type: ignore[arg-type] # one of two words

    def count(self) -> int:
        return self.number(8 if self.wide else 4)

    def text(self, limit: int = MAX_STRING_BYTES) -> str:
        size = self.count()
        if size > limit:
            raise _malformed(f"a string claims {size} bytes")
        return self.take(size).decode("utf-8", "replace")

    def count_items(self, count: int) -> None:
        self.items += count
        if self.items > MAX_ITEMS:
            raise _malformed(f"its arrays claim more than {MAX_ITEMS} items")


def judge_gguf(span: Span) -> Iterator[Said]:
    """What is wrong with the file; nothing where it keeps the rules."""
    header = _Header()
    try:
        yield from _read(span, header)
    except ArtifactError as error:
        yield Remark(evasive("").grade, error.message, error.message, 0)
    for key, text, offset in header.templates:
        for remark in judge_template(text):
            yield Remark(remark.grade, f"{key}: {remark.about}", f"{remark.text}, in {key}", offset)
    yield from _vocabulary(header.counts)
    if header.notes:
        from hauberk.formats.note_judgement import judge_note

        for key, text, offset in header.notes:
            yield from judge_note(key, text, offset)


_TOKENS = "tokenizer.ggml.tokens"


def _vocabulary(counts: Mapping[str, int]) -> Iterator[Said]:
    """Lists that readers walk by the number of tokens are as long as the list of tokens."""
    n_tokens = counts.get(_TOKENS)
    for key in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
        found = counts.get(key, n_tokens)
        if n_tokens is not None and found != n_tokens:
            yield evasive(f"{key} has {found} items for {n_tokens} tokens")


def _read(span: Span, header: _Header) -> Iterator[Said]:
    cursor = _Cursor(span)
    n_tensors, n_keys = _counts(cursor, span)
    for _ in range(n_keys):
        yield from _entry(cursor, header)
    names: set[str] = set()
    for _ in range(n_tensors):
        tensor = _tensor(cursor)
        if tensor.name in names:
            yield evasive("two tensors have one name", cursor.at)
        names.add(tensor.name)
        header.tensors.append(tensor)
    yield from _places(header, cursor.at, span.size)


def _counts(cursor: _Cursor, span: Span) -> tuple[int, int]:
    cursor.take(4)
    version = cursor.number(4)
    if version & 0xFFFF == 0:
        cursor.order, version = ">", int.from_bytes(version.to_bytes(4, "little"), "big")
    if version not in {1, 2, 3}:
        raise _malformed(f"its version is {version}")
    cursor.wide = version > 1
    n_tensors, n_keys = cursor.count(), cursor.count()
    if n_tensors > min(MAX_TENSORS, span.size // _MIN_TENSOR_BYTES):
        raise _malformed(f"it claims {n_tensors} tensors in {span.size} bytes")
    if n_keys > min(MAX_KEYS, span.size // _MIN_KEY_BYTES):
        raise _malformed(f"it claims {n_keys} entries of metadata in {span.size} bytes")
    return n_tensors, n_keys


def _entry(cursor: _Cursor, header: _Header) -> Iterator[Said]:
    key = cursor.text(1 << 16)
    if key in header.keys:
        yield evasive("a key of the metadata stands twice", cursor.at)
    header.keys.add(key)
    at, kind = cursor.at, cursor.number(4)
    if kind == _STRING:
        text = cursor.text()
        if "chat_template" in key or "template" in key.rpartition(".")[2]:
            header.templates.append((key, text, at))
        elif len(header.notes) < MAX_NOTES:
            header.notes.append((key, text, at))
    elif key == "general.alignment" and kind in _SIZES:
        header.alignment = cursor.number(_SIZES[kind])
        if not 0 < header.alignment <= 1 << 20 or header.alignment & (header.alignment - 1):
            raise _malformed(f"its alignment is {header.alignment}")
    else:
        _skip_value(cursor, kind, 0, (key, header))


def _skip_value(cursor: _Cursor, kind: int, depth: int, owner: tuple[str, _Header]) -> None:
    if kind in _SIZES:
        cursor.skip(_SIZES[kind])
    elif kind == _STRING:
        cursor.text()
    elif kind == _ARRAY and depth < MAX_NESTING:
        _skip_array(cursor, depth, owner)
    else:
        raise _malformed(f"a value of the metadata has type {kind} at depth {depth}")


def _skip_array(cursor: _Cursor, depth: int, owner: tuple[str, _Header]) -> None:
    kind, count = cursor.number(4), cursor.count()
    if depth == 0:
        owner[1].counts[owner[0]] = count
    if kind in _SIZES:
        cursor.skip(count * _SIZES[kind])
        return
    cursor.count_items(count)
    is_template = "chat_template" in owner[0]
    for _ in range(count):
        if is_template and kind == _STRING:
            at = cursor.at
            owner[1].templates.append((owner[0], cursor.text(), at))
        else:
            _skip_value(cursor, kind, depth + 1, owner)


def _tensor(cursor: _Cursor) -> _Tensor:
    name = cursor.text(1 << 16)
    n_dims = cursor.number(4)
    if n_dims > MAX_DIMS:
        raise _malformed(f"a tensor claims {n_dims} dimensions")
    elements, row = 1, 1
    for axis in range(n_dims):
        dim = cursor.count()
        elements *= dim
        row = dim if axis == 0 else row
    kind = cursor.number(4)
    offset = cursor.number(8)
    per_block, block_bytes = _BLOCKS.get(kind, (0, 0))
    if not per_block:
        raise _malformed(f"a tensor has the unknown type {kind}")
    if elements >= 1 << 62 or row % per_block:
        raise _malformed("the shape of a tensor does not fit its type")
    return _Tensor(name, offset, elements // per_block * block_bytes)


def _places(header: _Header, end_of_header: int, size: int) -> Iterator[Said]:
    """Tensors lie behind the header, aligned, one after the other, and end with the file."""
    base = -(-end_of_header // header.alignment) * header.alignment
    if not header.tensors:  # a vocabulary alone
        if size - base >= header.alignment:
            yield evasive(f"{size - base} bytes behind the header belong to no tensor", base)
        return
    end = 0
    for tensor in sorted(header.tensors, key=lambda tensor: (tensor.offset, tensor.size)):
        if tensor.offset % header.alignment:
            yield evasive("a tensor is not aligned", base + tensor.offset)
            return
        if tensor.offset < end:
            yield evasive("tensors overlap", base + tensor.offset)
            return
        end = tensor.offset + tensor.size
    if base + end > size:
        yield evasive(f"tensors reach to byte {base + end} of {size}", size)
    elif size - base - end >= header.alignment:
        yield evasive(f"{size - base - end} bytes behind the last tensor belong to none", end)


def _malformed(reason: str) -> ArtifactError:
    return ArtifactError(
        f"the GGUF header is malformed: {reason}",
        rule="counts, lengths and offsets of a GGUF header lie inside of the file",
        found=reason,
        hint="convert the model again",
    )
