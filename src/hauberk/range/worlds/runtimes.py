"""Runtimes that follow a model file without asking: what altered files are potent against.

They do not run anything. A careless runtime takes the operators, paths, modules, code and sizes
from where the format's readers take them; what it would act on is what it returns. ONNX is read
with its own library, JSON and zip with the standard library, the rest by its raw bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def acts_on(path: Path, token: bytes) -> bool:
    """Whether a careless runtime would act on a name, path, code or size in the file."""
    data = path.read_bytes()
    if path.suffix == ".onnx":
        return token in set(_onnx(data)) or token in data
    if path.suffix in {".keras", ".json"}:
        return token.decode() in set(_json(data))
    return token in data


def looks_up(path: Path, token: bytes) -> bool:
    """Whether a script or mobile runtime meets a name, library or size in the file's members."""
    data = path.read_bytes()
    if not token:
        return False
    if not data.startswith(b"PK"):
        return token in data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return any(token in archive.read(name) for name in archive.namelist())


def _onnx(data: bytes) -> Iterator[bytes]:
    import onnx

    model = onnx.load_from_string(data)
    for node in model.graph.node:
        yield node.op_type.encode()
        yield node.domain.encode()
    for tensor in model.graph.initializer:
        yield from (entry.value.encode() for entry in tensor.external_data)


def _json(data: bytes) -> Iterator[str]:
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read("config.json")
    waiting: list[Any] = [json.loads(data)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, (dict, list)):
            waiting.extend(item.values() if isinstance(item, dict) else item)


def outputs(path: Path, rows: list[list[float]]) -> list[list[float]]:
    """What the model answers to rows, by ONNX Runtime."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: np.asarray(rows, "float32")})
    return [[float(value) for value in row] for row in found[0]]
