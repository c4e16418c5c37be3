"""Files of unknown bytes that a graph beside them reads as numbers."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.formats.core_ml import is_core_ml, numbers_beside
from hauberk.formats.onnx_files import read_onnx
from hauberk.formats.openvino_files import is_network
from hauberk.formats.spans import open_span

MAX_GRAPHS = 20
"""Graphs beside a file of unknown bytes that are asked whether they read it."""


def is_named_beside(file: Path) -> bool:
    """Whether a graph of ONNX in the same folder, or in the one above, keeps tensors there.

    A Zarr store keeps them in files named by numbers, TensorFlow.js in shards that its model lists.
    A network of OpenVINO keeps them under its own name, a package of Core ML in a folder beside
    the model.
    """
    if file.suffix == ".bin" and is_network(file.with_suffix(".xml")):
        return True
    if _is_chunk(file) or _is_shard(file):
        return True
    for folder in file.parents[:2]:
        name = file.relative_to(folder).as_posix()
        for graph in sorted(folder.glob("*.onnx"))[:MAX_GRAPHS]:
            with suppress(HauberkError), open_span(graph) as span:
                if name in {place.removeprefix("./") for place in read_onnx(span).external}:
                    return True
        for model in sorted(folder.glob("*.mlmodel"))[:MAX_GRAPHS]:
            with suppress(HauberkError), open_span(model) as span:
                if is_core_ml(span) and name in numbers_beside(span):
                    return True
    return False


_CHUNK = re.compile(r"c|\d+([./]\d+)*")
_MAX_LEVELS = 8
_MAX_DESCRIPTION = 1 << 20


def _is_chunk(file: Path) -> bool:
    """Whether a file is named by numbers below the description of a Zarr array."""
    for folder in file.parents[:_MAX_LEVELS]:
        if not _CHUNK.fullmatch(file.relative_to(folder).as_posix().removeprefix("c/")):
            return False
        if (folder / ".zarray").is_file() or (folder / "zarr.json").is_file():
            return True
    return False


def _is_shard(file: Path) -> bool:
    """Whether a model of TensorFlow.js in the same folder lists a file among its weights."""
    model = file.with_name("model.json")
    if file.suffix != ".bin" or not model.is_file():
        return False
    with suppress(HauberkError), open_span(model) as span:
        text = span.read(max(0, span.size - _MAX_DESCRIPTION), _MAX_DESCRIPTION)
        return b'"weightsManifest"' in text and f'"{file.name}"'.encode() in text
    return False
