"""A served model without a guard: what attacks on requests are potent against.

It takes requests as common serving stacks do by default: the last of two equal keys wins,
unknown fields and inputs are dropped, NaN and numbers in strings are converted, declared
types are believed, the declared length and content type are not looked at, compressed bodies
are unpacked, and whatever then goes wrong is answered with 500. The behaviour was measured
on six such stacks; where they differed, the more common answer was taken.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.formats.http import Answer, Call
from hauberk.range.worlds.served import WEIGHTS

MAX_ELEMENTS = 10_000_000
"""More would fill the memory of the machine that measures; such a claim is answered 500."""

_NUMPY = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BYTES": "object",
}


def classify(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The classifier of `served`: the first input, whatever its name, to a label per row."""
    import numpy as np

    rows = np.asarray(next(iter(inputs.values())), dtype="float32")
    return {"label": (rows @ np.asarray(WEIGHTS, "float32")).argmax(axis=1)}


def repeat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The parrot of `served`."""
    return {"answer": next(iter(inputs.values()))}


@dataclass(frozen=True, slots=True, kw_only=True)
class LenientDoor:
    """A server that answers 200 to what it can make sense of and 500 to the rest."""

    model: Callable[[Mapping[str, Any]], dict[str, Any]] = classify

    def call(self, call: Call) -> Answer:
        """Answer one request; slow pieces are waited for."""
        import numpy as np

        started = time.perf_counter()
        with np.errstate(all="ignore"):
            status, body = self._answered(call)
        return Answer(status=status, body=body, seconds=time.perf_counter() - started)

    def together(self, calls: Iterable[Call]) -> tuple[Answer, ...]:
        """One after the other: nobody is turned away."""
        return tuple(self.call(call) for call in calls)

    def _answered(self, call: Call) -> tuple[int, bytes]:
        try:
            request = json.loads(_unpacked(call))
        except (ValueError, RecursionError, OSError, EOFError, zlib.error):
            return 400, b'{"error": "no JSON"}'
        try:
            outputs = self.model(_tensors(request))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, MemoryError):
            return 500, b'{"error": "internal error"}'
        except StopIteration:
            return 500, b'{"error": "no input"}'
        answer = [
            {"name": name, "shape": list(values.shape), "data": values.ravel().tolist()}
            for name, values in outputs.items()
        ]
        return 200, json.dumps({"outputs": answer}).encode()


def _unpacked(call: Call) -> bytes:
    """The body, decompressed as often as its sender says, whatever comes out."""
    body = b"".join(call.chunks)
    headers = {name.lower(): value for name, value in call.headers}
    for coding in reversed(headers.get("content-encoding", "").split(",")):
        if coding.strip() in ("gzip", "x-gzip"):
            body = gzip.decompress(body)
        elif coding.strip() == "deflate":
            body = zlib.decompress(body)
    return body


def _tensors(request: Any) -> dict[str, Any]:
    """Inputs by name, converted as far as numpy goes along."""
    import math

    import numpy as np

    tensors = {}
    for item in request["inputs"]:
        shape = [int(size) for size in item["shape"]]
        if math.prod(shape) > MAX_ELEMENTS:
            raise MemoryError(str(shape))
        data = item["data"]
        values = np.asarray(data, dtype=_NUMPY.get(item["datatype"], "float32"))
        tensors[item["name"]] = values.reshape([abs(size) for size in shape])
    return tensors
