"""Networks from ONNX graphs and from fitted scikit-learn models; see `methods.networks`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hauberk.errors import UnavailableError
from hauberk.methods.networks import KINDS, Network, Step, unknown

_CONSTANT_INPUTS = {"Reshape": 1, "Clip": 1, "Unsqueeze": 1, "Squeeze": 1}


# scikit-learn --------------------------------------------------------------------------


class _Chain:
    """Steps one after another, each taking what the last one gave."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, Any] = {}

    def add(self, kind: str, *weights: Any, **settings: Any) -> None:
        names = []
        for weight in weights:
            name = f"w{len(self.constants)}"
            self.constants[name] = np.asarray(weight, np.float32)
            names.append(name)
        inputs = (f"x{len(self.steps)}", *names)
        output = f"x{len(self.steps) + 1}"
        self.steps.append(Step(kind=kind, inputs=inputs, output=output, settings=settings))

    def network(self, width: int) -> Network:
        return Network(
            steps=tuple(self.steps),
            constants=self.constants,
            source="x0",
            result=f"x{len(self.steps)}",
            is_probability=True,
            shape=(width,),
        )


def of_sklearn(model: Any) -> Network:
    """The network that a fitted model is: scalers, linear models, perceptrons, pipelines.

    Raises:
        UnavailableError: A part of it is something else.
    """
    chain = _Chain()
    for part in _parts(model):
        kind = type(part).__name__
        if kind not in _SKLEARN:
            raise unknown(kind)
        _SKLEARN[kind](chain, part)
    return chain.network(int(model.n_features_in_))


def _parts(model: Any) -> Iterator[Any]:
    for part in [item for _, item in model.steps] if hasattr(model, "steps") else [model]:
        if hasattr(part, "steps"):
            yield from _parts(part)
        elif part not in (None, "passthrough"):
            yield part


def _standard(chain: _Chain, part: Any) -> None:
    if part.mean_ is not None and part.with_mean:
        chain.add("Sub", part.mean_)
    if part.scale_ is not None and part.with_std:
        chain.add("Div", part.scale_)


def _min_max(chain: _Chain, part: Any) -> None:
    chain.add("Mul", part.scale_)
    chain.add("Add", part.min_)


def _linear(chain: _Chain, part: Any) -> None:
    chain.add("MatMul", part.coef_.T)
    chain.add("Add", part.intercept_)
    if len(part.classes_) > 2:  # noqa: PLR2004 - two classes have one score
        chain.add("Softmax")
    else:
        chain.add("Sigmoid")
        chain.add("Pair")


def _perceptron(chain: _Chain, part: Any) -> None:
    kinds = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": "Identity"}
    last = len(part.coefs_) - 1
    for place, (weights, bias) in enumerate(zip(part.coefs_, part.intercepts_, strict=True)):
        chain.add("MatMul", weights)
        chain.add("Add", bias)
        if place < last:
            chain.add(kinds[part.activation])
    if part.out_activation_ == "softmax":
        chain.add("Softmax")
    else:
        chain.add("Sigmoid")
        chain.add("Pair")


_SKLEARN: Mapping[str, Any] = {
    "StandardScaler": _standard,
    "MinMaxScaler": _min_max,
    "LogisticRegression": _linear,
    "MLPClassifier": _perceptron,
}


# ONNX ----------------------------------------------------------------------------------


def of_onnx(data: bytes) -> Network:
    """The network that a graph of one numeric input is.

    Raises:
        UnavailableError: The graph takes several inputs or holds a step that is not known.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise UnavailableError(
            "onnx is not installed", hint="pip install 'hauberk[train]'"
        ) from None
    graph = onnx.load_model_from_string(data).graph
    constants: dict[str, Any] = {
        item.name: _plain(numpy_helper.to_array(item)) for item in graph.initializer
    }
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1:
        raise unknown(f"{len(inputs)} inputs")
    shape = tuple(dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim[1:])
    if not shape or not all(shape):
        raise unknown("an input of unknown shape")
    steps = _onnx_steps(graph.node, constants)
    wanted = _score_output(graph)
    steps, last = _needed(steps, wanted)
    return Network(
        steps=tuple(steps),
        constants=constants,
        source=inputs[0].name,
        result=wanted,
        is_probability=last in {"Softmax", "Sigmoid", "Pair", "Normalized"},
        shape=shape,
    )


def _plain(values: Any) -> Any:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _score_output(graph: Any) -> str:
    """The last output of floats: scores come after labels where both are given."""
    floats = [item.name for item in graph.output if item.type.tensor_type.elem_type in (1, 11)]
    if not floats:
        raise unknown("outputs without scores")
    return str(floats[-1])


def _onnx_steps(nodes: Any, constants: dict[str, Any]) -> list[Step]:
    from onnx import helper, numpy_helper

    steps: list[Step] = []
    for node in nodes:
        found = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = _plain(numpy_helper.to_array(found["value"]))
            continue
        translate = _ONNX.get(node.op_type, _same)
        steps.extend(translate(node, found, constants))
    return steps


def _needed(steps: list[Step], wanted: str) -> tuple[list[Step], str]:
    """The steps that the scores rest on, and the kind of the last one; labels fall away."""
    needed, kept = {wanted}, []
    for step in reversed(steps):
        if step.output in needed:
            kept.append(step)
            needed.update(step.inputs)
    for step in kept:
        if step.kind not in KINDS:
            raise unknown(step.kind)
    kept.reverse()
    last = next((step for step in reversed(kept) if step.kind not in ("Identity", "Reshape")), None)
    return kept, "" if last is None else last.kind


def _same(node: Any, found: dict[str, Any], _constants: dict[str, Any]) -> list[Step]:
    usual = {"group": 1, "auto_pad": b"NOTSET", "ceil_mode": 0, "transA": 0}
    odd = {key for key, value in usual.items() if found.get(key, value) != value}
    if odd or any(item != 1 for item in found.get("dilations", ())):
        return [_unknown(node, f"{node.op_type} with {', '.join(sorted(odd)) or 'dilations'}")]
    inputs = tuple(name for name in node.input if name)
    return [Step(kind=node.op_type, inputs=inputs, output=node.output[0], settings=found)]


def _unknown(node: Any, kind: str) -> Step:
    """Refused later, and only where the scores rest on it."""
    return Step(kind=kind, inputs=tuple(node.input), output=node.output[0], settings={})


def _through(node: Any, _found: dict[str, Any], _constants: dict[str, Any]) -> list[Step]:
    return [Step(kind="Identity", inputs=(node.input[0],), output=node.output[0], settings={})]


def _reshaped(node: Any, _found: dict[str, Any], constants: dict[str, Any]) -> list[Step]:
    target = constants.get(node.input[1])
    if target is None or len(target) < 1:
        return [_unknown(node, "Reshape to a computed shape")]
    row = tuple(int(size) for size in target[1:])
    settings = {"row": row or (-1,)}
    return [Step(kind="Reshape", inputs=(node.input[0],), output=node.output[0], settings=settings)]


def _scaler(node: Any, found: dict[str, Any], constants: dict[str, Any]) -> list[Step]:
    shift, scale = f"{node.output[0]}:offset", f"{node.output[0]}:scale"
    constants[shift] = np.asarray(found["offset"], np.float32)
    constants[scale] = np.asarray(found["scale"], np.float32)
    middle = f"{node.output[0]}:moved"
    return [
        Step(kind="Sub", inputs=(node.input[0], shift), output=middle, settings={}),
        Step(kind="Mul", inputs=(middle, scale), output=node.output[0], settings={}),
    ]


def _linear_classifier(node: Any, found: dict[str, Any], constants: dict[str, Any]) -> list[Step]:
    n = max(len(found.get("classlabels_ints", ())), len(found.get("classlabels_strings", ())))
    weights = np.asarray(found["coefficients"], np.float32)
    rows = len(found.get("intercepts", ())) or n
    out, width = node.output[1], weights.size // max(rows, 1)
    names = {name: f"{out}:{name}" for name in ("w", "b", "mul", "add", "act")}
    constants[names["w"]] = weights.reshape(rows, width).T
    constants[names["b"]] = np.asarray(found.get("intercepts", np.zeros(rows)), np.float32)
    after = {b"SOFTMAX": "Softmax", b"LOGISTIC": "Sigmoid", b"NONE": "Identity"}
    kind = after.get(found.get("post_transform", b"NONE"), "post_transform")
    return [
        Step(kind="MatMul", inputs=(node.input[0], names["w"]), output=names["mul"], settings={}),
        Step(kind="Add", inputs=(names["mul"], names["b"]), output=names["add"], settings={}),
        Step(kind=kind, inputs=(names["add"],), output=out, settings={}),
    ]


def _normalizer(node: Any, found: dict[str, Any], _constants: dict[str, Any]) -> list[Step]:
    if found.get("norm") != b"L1":
        return [_unknown(node, "Normalizer of another norm")]
    return [Step(kind="Normalized", inputs=(node.input[0],), output=node.output[0], settings={})]


def _batch_norm(node: Any, found: dict[str, Any], constants: dict[str, Any]) -> list[Step]:
    scale, shift, mean, var = (constants.get(name) for name in node.input[1:5])
    if scale is None or shift is None or mean is None or var is None:
        return [_unknown(node, "BatchNormalization of computed weights")]
    factor = scale / np.sqrt(var + found.get("epsilon", 1e-5))
    out = node.output[0]
    constants[f"{out}:factor"] = factor.reshape(-1, 1, 1)
    constants[f"{out}:shift"] = (shift - mean * factor).reshape(-1, 1, 1)
    return [
        Step(kind="Mul", inputs=(node.input[0], f"{out}:factor"), output=f"{out}:m", settings={}),
        Step(kind="Add", inputs=(f"{out}:m", f"{out}:shift"), output=out, settings={}),
    ]


_ONNX: Mapping[str, Any] = {
    "Cast": _through,
    "Dropout": _through,
    "ZipMap": _through,
    "Reshape": _reshaped,
    "Scaler": _scaler,
    "LinearClassifier": _linear_classifier,
    "Normalizer": _normalizer,
    "BatchNormalization": _batch_norm,
}


def width_of(network: Network) -> int:
    """Numbers in one row of the input."""
    return math.prod(network.shape)
