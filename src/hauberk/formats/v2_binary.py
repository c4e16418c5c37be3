"""The binary tensor extension of the Open Inference Protocol.

A message is JSON followed by raw tensors; the header `HEADER` gives the length of the JSON,
and each tensor in it gives ``binary_data_size`` instead of ``data``. Rules:

1. The JSON part is read as strictly as a message without the extension.
2. The sizes add up to exactly the bytes that follow; nothing lies between or behind.
3. Numbers are little-endian, floats finite, booleans 0 or 1.
4. ``BYTES`` is a sequence of 4-byte lengths each followed by UTF-8 text.

References:
    Open Inference Protocol, "Binary Tensor Data Extension".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hauberk.formats.strict_json import at_most, decode, refuse
from hauberk.formats.v2 import (
    DEFAULT_LIMITS,
    Datatype,
    Limits,
    Request,
    Response,
    Tensor,
    check_values,
    encode,
    request_of,
    response_of,
    response_value,
    values_in_json,
)

HEADER = "inference-header-content-length"
"""Name of the header that gives the length of the JSON part, in lower case."""

_LENGTH_BYTES = 4


def parse_request(body: bytes, header_length: int, limits: Limits = DEFAULT_LIMITS) -> Request:
    """Read a request with raw tensors behind its JSON.

    Raises:
        ArtifactError: The body is not exactly one request within the limits.
    """
    reader = _Reader(tail=_tail(body, header_length, limits), limits=limits)
    value = decode(body[:header_length], limits.json)
    request = request_of(value, limits, reader.read)
    reader.end()
    return request


def is_mostly_raw(length: str, most: int) -> bool:
    """Whether all but a small part of a body is tensors as bytes, which cost little to read.

    Args:
        length: What the header says of the JSON's length; a hint, which the reader checks.
        most: Bytes of JSON.
    """
    return len(length) <= _FEW_DIGITS and length.isdecimal() and int(length) <= most


_FEW_DIGITS = 8


def parse_response(body: bytes, header_length: int, limits: Limits = DEFAULT_LIMITS) -> Response:
    """Read a response with raw tensors behind its JSON.

    Raises:
        ArtifactError: The body is not exactly one response within the limits.
    """
    reader = _Reader(tail=_tail(body, header_length, limits), limits=limits)
    value = decode(body[:header_length], limits.json)
    response = response_of(value, limits, reader.read)
    reader.end()
    return response


def write_response(response: Response, raw: frozenset[str] | None = None) -> tuple[bytes, int]:
    """The response with raw tensors, and the length of its JSON part.

    Args:
        response: What to write.
        raw: Names of the outputs to write raw; all by default.

    Raises:
        ArtifactError: A value is not of its tensor's type, or not finite.
    """
    names = {tensor.name for tensor in response.outputs} if raw is None else raw
    value, tail = response_value(response, without=names), bytearray()
    for head, tensor in zip(value["outputs"], response.outputs, strict=True):
        if tensor.name not in names:
            continue
        data = raw_of(tensor)
        head["parameters"] = {**tensor.parameters, "binary_data_size": len(data)}
        tail += data
    header = encode(value)
    return header + bytes(tail), len(header)


def raw_of(tensor: Tensor) -> bytes:
    """The values of a tensor as the extension writes them."""
    if tensor.datatype is Datatype.BYTES:
        texts = [text.encode() for text in tensor.values]
        return b"".join(len(text).to_bytes(_LENGTH_BYTES, "little") + text for text in texts)
    array = tensor.array()
    if tensor.datatype.is_float:
        check_finite(tensor.name, array, tensor.datatype)
    raw: bytes = array.tobytes()
    return raw


def _tail(body: bytes, header_length: int, limits: Limits) -> memoryview:
    if len(body) > limits.json.max_bytes:
        at_most("the message", "size in bytes", limits.json.max_bytes, len(body))
    if not 0 < header_length <= len(body):
        refuse(f"header {HEADER}", "length of the JSON part", f"1 to {len(body)}", "another")
    return memoryview(body)[header_length:]


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Takes the raw tensors one after the other."""

    tail: memoryview
    limits: Limits
    position: int = field(default=0)

    def read(
        self, where: str, item: Mapping[str, Any], datatype: Datatype, shape: tuple[int, ...]
    ) -> Sequence[Any]:
        parameters = item.get("parameters", {})
        if "binary_data_size" not in parameters:
            return values_in_json(where, item, datatype, shape)
        if "data" in item:
            refuse(f"{where}.data", "data stands in one place", "JSON or binary", "both")
        raw = self._take(f"{where}.parameters.binary_data_size", parameters["binary_data_size"])
        if datatype is Datatype.BYTES:
            return _texts(where, raw, math.prod(shape), self.limits)
        values: Sequence[Any] = _numbers(where, raw, datatype, math.prod(shape))
        return values

    def _take(self, where: str, size: Any) -> memoryview:
        if type(size) is not int or not 0 <= size <= len(self.tail) - self.position:
            refuse(where, "size of a raw tensor", "no more than the bytes that follow", "another")
        raw = self.tail[self.position : self.position + size]
        self.position += size
        return raw

    def end(self) -> None:
        """Refuse bytes that no tensor owns."""
        left = len(self.tail) - self.position
        if left:
            refuse("the message", "nothing behind the last tensor", "0 bytes", str(left))


def _numbers(where: str, raw: memoryview, datatype: Datatype, n_elements: int) -> Any:
    import numpy as np

    kind = np.dtype("<u1" if datatype is Datatype.BOOL else datatype.numpy)
    if len(raw) != n_elements * kind.itemsize:
        wanted = f"{n_elements * kind.itemsize} bytes, as the shape says"
        refuse(where, "size of a raw tensor", wanted, f"{len(raw)} bytes")
    values = np.frombuffer(raw, dtype=kind)
    if datatype.is_float:
        check_finite(where, values, datatype)
    if datatype is not Datatype.BOOL:
        return values
    if values.max() > 1:
        refuse(where, "range of the datatype", "0 or 1 (BOOL)", "another byte")
    return values.astype("?")


def check_finite(where: str, values: Any, datatype: Datatype) -> None:
    """Refuse an array with values that are no numbers.

    Raises:
        ArtifactError: It has some.
    """
    import numpy as np

    if not np.isfinite(values).all():
        refuse(where, "range of the datatype", f"a finite {datatype}", "NaN or infinity")


def _texts(where: str, raw: memoryview, n_elements: int, limits: Limits) -> list[str]:
    texts: list[str] = []
    position = 0
    while position < len(raw) and len(texts) <= n_elements:
        start = position + _LENGTH_BYTES
        size = int.from_bytes(raw[position:start], "little")
        position = start + size
        if start > len(raw) or position > len(raw) or size > limits.json.max_string_bytes:
            refuse(where, "lengths of BYTES elements", "inside the tensor and its limits", "beyond")
        texts.append(_text(where, bytes(raw[start:position])))
    if len(texts) != n_elements:
        refuse(where, "number of values", f"{n_elements}, as the shape says", "another")
    check_values(where, texts, Datatype.BYTES)
    return texts


def _text(where: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        refuse(where, "BYTES elements are text", "UTF-8", "other bytes", error)
