"""Tensors of a torch archive, found without unpickling anything.

The pickle inside is followed over symbols; each tensor is a call of ``_rebuild_tensor_v2``
with a storage, an offset, a shape and strides, and the storage is a stored member of the
archive. That is all that a state dictionary needs to become safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from hauberk.errors import ArtifactError
from hauberk.formats.archives import ZipEntry, find_zip, list_zip
from hauberk.formats.pickle_events import Ended
from hauberk.formats.pickle_values import Call, Global, Group, Persistent, arguments
from hauberk.formats.pickles import read_pickle
from hauberk.formats.spans import Span

MAX_DEPTH = 8
_COPY_BYTES = 1 << 22

_KINDS = {
    "FloatStorage": ("F32", 4),
    "DoubleStorage": ("F64", 8),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
"""Storage classes of torch to types of safetensors and bytes of an element."""

_REBUILD = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor and where its elements lie.

    Attributes:
        start: Of its storage, in the file.
        offset: Of its first element in the storage, in elements.
    """

    name: str
    kind: str
    item_bytes: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int
    storage_bytes: int
    offset: int

    @property
    def n_items(self) -> int:
        """Elements of the tensor."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    @property
    def is_dense(self) -> bool:
        """Whether its elements follow one another."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True


@dataclass(frozen=True, slots=True)
class Tensors:
    """The tensors of an archive, and how many other values it holds."""

    tensors: tuple[Tensor, ...]
    others: int


def read_tensors(span: Span) -> Tensors:
    """The tensors of a state dictionary, nested dictionaries by dotted names.

    Raises:
        ArtifactError: It is no torch archive, or holds what is no dictionary of tensors.
    """
    end = find_zip(span)
    if end is None:
        raise _misfit("a torch archive (the zip format of torch.save since 1.6)")
    entries = {entry.name: entry for entry in list_zip(span, end).entries}
    pickles = [name for name in entries if name.endswith("/data.pkl")]
    if len(pickles) != 1 or entries[pickles[0]].method != "stored":
        raise _misfit("one data.pkl, stored")
    folder = pickles[0].removesuffix("data.pkl")
    entry = entries[pickles[0]]
    *_, last = read_pickle(span.part(entry.data, entry.packed))
    root = last.result if isinstance(last, Ended) and not last.broken else None
    found: list[Tensor] = []
    others = 0
    for name, value in _leaves(root, "", 0):
        tensor = _tensor(name, value, entries, folder)
        others += tensor is None
        found += [tensor] if tensor else []
    if not found:
        raise _misfit("a dictionary with tensors in it")
    return Tensors(tuple(found), others)


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    pairs = _dictionary(value)
    if pairs is None or depth > MAX_DEPTH:
        yield name, value
        return
    if pairs.count != len(pairs.items):
        raise _misfit("at most 512 entries in one dictionary")
    for key, item in zip(pairs.items[::2], pairs.items[1::2], strict=True):
        yield from _leaves(item, f"{name}.{key}" if name else str(key), depth + 1)


def _dictionary(value: Any) -> Group | None:
    if isinstance(value, Call) and _path(value) == "collections.OrderedDict":
        return value.held or Group("dict")
    return value if isinstance(value, Group) and value.kind == "dict" else None


def _path(value: Any) -> str:
    is_named = isinstance(value, Call) and isinstance(value.callee, Global)
    return value.callee.path if is_named else ""


def _tensor(name: str, value: Any, entries: dict[str, ZipEntry], folder: str) -> Tensor | None:
    args = arguments(value) if isinstance(value, Call) else None
    if _path(value) == _PARAMETER and args:
        return _tensor(name, args[0], entries, folder)
    if _path(value) != _REBUILD or not args:
        return None
    storage, offset, shape, strides = args[:4]
    kind, item_bytes, entry = _storage(storage, entries, folder)
    sizes, steps = _numbers(shape), _numbers(strides)
    if not isinstance(offset, int) or len(sizes) != len(steps):
        raise _misfit("tensors with an offset, a shape and strides")
    tensor = Tensor(
        name=name,
        kind=kind,
        item_bytes=item_bytes,
        shape=sizes,
        strides=steps,
        start=entry.data,
        storage_bytes=entry.packed,
        offset=offset,
    )
    reach = sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if tensor.n_items and (offset + reach + 1) * item_bytes > entry.packed:
        raise _misfit("tensors that lie inside of their storage")
    return tensor


def _storage(value: Any, entries: dict[str, ZipEntry], folder: str) -> tuple[str, int, ZipEntry]:
    fields = value.name.items if isinstance(value, Persistent) and _is_tuple(value.name) else []
    if len(fields) < 3 or fields[0] != "storage" or not isinstance(fields[1], Global):  # noqa: PLR2004
        raise _misfit("tensors whose storage lies in the archive")
    kind = _KINDS.get(fields[1].name)
    entry = entries.get(f"{folder}data/{fields[2]}")
    if kind is None or entry is None or entry.method != "stored" or entry.is_encrypted:
        raise _misfit(f"storages of {', '.join(_KINDS)}, stored")
    return (*kind, entry)


def _is_tuple(value: Any) -> bool:
    return isinstance(value, Group) and value.kind == "tuple"


def _numbers(value: Any) -> tuple[int, ...]:
    items = value.items if isinstance(value, Group) else None
    if items is None or not all(isinstance(item, int) and item >= 0 for item in items):
        raise _misfit("shapes and strides that are numbers")
    return tuple(items)


def _misfit(expected: str) -> ArtifactError:
    return ArtifactError(
        "these tensors cannot be taken out without unpickling them",
        rule="a state dictionary of plain tensors",
        expected=expected,
        hint="save model.state_dict() with a current torch",
    )


# Writing --------------------------------------------------------------------------------


def write_safetensors(span: Span, found: Tensors, file: BinaryIO) -> None:
    """Write the tensors in the safetensors format, each with elements of its own."""
    header: dict[str, Any] = {}
    at = 0
    for tensor in found.tensors:
        size = tensor.n_items * tensor.item_bytes
        header[tensor.name] = {
            "dtype": tensor.kind,
            "shape": list(tensor.shape),
            "data_offsets": [at, at + size],
        }
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in found.tensors:
        file.writelines(elements(span, tensor))


def elements(span: Span, tensor: Tensor) -> Iterator[bytes]:
    """The bytes of a tensor, row-major."""
    first = tensor.start + tensor.offset * tensor.item_bytes
    size = tensor.n_items * tensor.item_bytes
    if tensor.is_dense:
        for at in range(0, size, _COPY_BYTES):
            yield span.read(first + at, min(_COPY_BYTES, size - at))
        return
    import numpy as np

    storage = np.frombuffer(
        span.read(tensor.start, tensor.storage_bytes), dtype=f"V{tensor.item_bytes}"
    )
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :],
        shape=tensor.shape,
        strides=tuple(step * tensor.item_bytes for step in tensor.strides),
        writeable=False,
    )
    yield np.ascontiguousarray(view).tobytes()
