"""The model behind the door: onnxruntime with bounded threads, fed by parsed requests.

The session is made from bytes that were verified in memory; no path is opened here. A run
can be ended from another thread, so that a deadline frees its worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hauberk.errors import ArtifactError, LimitError, UnavailableError
from hauberk.formats.v2 import Datatype, Request, Tensor, tensor_from, tensor_of
from hauberk.formats.v2_schema import InputSchema, TensorSchema

_DATATYPES = {
    "tensor(bool)": Datatype.BOOL,
    "tensor(string)": Datatype.BYTES,
    "tensor(float16)": Datatype.FP16,
    "tensor(float)": Datatype.FP32,
    "tensor(double)": Datatype.FP64,
    **{f"tensor(int{bits})": Datatype(f"INT{bits}") for bits in (8, 16, 32, 64)},
    **{f"tensor(uint{bits})": Datatype(f"UINT{bits}") for bits in (8, 16, 32, 64)},
}


_NONE: Mapping[str, Any] = {}

_MANY = 256
"""From so many values on an output stays an array until it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded model.

    Attributes:
        signature: Inputs and outputs as the model declares them, without rules.
        output_names: All outputs in the model's order.
        errors: What the runtime raises.
        kinds: Outputs that are numbers, by name: class of the array, its type, and the
            protocol's name of it.
        options: Of all runs that nothing ends; without them the runtime makes some for each.
    """

    session: Any
    signature: InputSchema
    output_names: list[str]
    errors: tuple[type[Exception], ...]
    kinds: Mapping[str, tuple[type, Any, Datatype]] = field(default_factory=dict)
    options: Any = None

    def infer(self, request: Request, end: Ending | None = None) -> tuple[Tensor, ...]:
        """The outputs asked for, or all of them in the model's order.

        Args:
            request: Already held against the schema.
            end: Ends the run from another thread; without it nothing does.

        Raises:
            ArtifactError: The model gave no answer for this input, or not a tensor.
            LimitError: The run was ended.
        """
        feeds = {tensor.name: tensor.array() for tensor in request.inputs}
        asked = [output.name for output in request.outputs] if request.outputs else None
        names = asked or self.output_names
        try:
            arrays = self.session.run(names, feeds, self.options if end is None else end.options())
        except self.errors as error:
            if end is not None and end.asked:
                raise LimitError("the model took longer than its deadline") from error
            raise ArtifactError(
                "the model gives no answer for this input",
                rule="inputs that the model can take",
                expected="an input that the model can take",
                found="one that it cannot",
            ) from error
        return tuple(map(self._output, names, arrays))

    def _output(self, name: str, array: Any) -> Tensor:
        """One output; what is as declared and small is not looked at twice."""
        declared = self.kinds.get(name)
        if declared is None or not isinstance(array, declared[0]):
            return _output(name, array)
        found: Any = array
        if not (found.ndim and 0 < found.size < _MANY and found.dtype == declared[1]):
            return _output(name, array)
        return tensor_from(name, declared[2], found.shape, found.ravel().tolist(), _NONE)


@dataclass(slots=True)
class Ending:
    """A way to end one run from another thread."""

    asked: bool = False
    _options: Any = None

    def options(self) -> Any:
        """What the runtime looks at between two operators."""
        import onnxruntime

        self._options = onnxruntime.RunOptions()
        self._options.terminate = self.asked
        return self._options

    def ask(self) -> None:
        """End the run, or keep it from beginning."""
        self.asked = True
        if self._options is not None:
            self._options.terminate = True


def _output(name: str, array: Any) -> Tensor:
    if not hasattr(array, "dtype"):
        raise ArtifactError(
            "an output of the model is no tensor",
            subject=name,
            rule="outputs are tensors",
            expected="a tensor",
            found=type(array).__name__,
            hint="export classifiers without ZipMap",
        )
    return tensor_of(name, array.reshape(1) if array.ndim == 0 else array, many=_MANY)


def open_model(model: bytes, *, threads: int = 1) -> Model:
    """Load verified bytes.

    Args:
        model: An ONNX model in one file.
        threads: Threads inside one run; the guard's own workers come on top.

    Raises:
        ArtifactError: The bytes are not a model that can be served.
        UnavailableError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UnavailableError(
            "serving needs onnxruntime", hint="pip install 'hauberk[serve]'", found="not installed"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    try:
        session = onnxruntime.InferenceSession(
            model, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except _runtime_errors() as error:
        raise ArtifactError(
            "the bytes are not an ONNX model that can be served",
            subject="model.onnx",
            rule="ONNX model in one file with operators of the standard",
            expected="a model that onnxruntime loads",
            found=type(error).__name__,
        ) from error
    signature = _signature(session)
    names = [output.name for output in signature.outputs]
    return Model(
        session=session,
        signature=signature,
        output_names=names,
        errors=_runtime_errors(),
        kinds=_kinds(signature),
        options=onnxruntime.RunOptions(),
    )


def _kinds(signature: InputSchema) -> dict[str, tuple[type, Any, Datatype]]:
    import numpy as np

    return {
        output.name: (np.ndarray, np.dtype(output.datatype.numpy), output.datatype)
        for output in signature.outputs
        if output.datatype is not Datatype.BYTES
    }


def _signature(session: Any) -> InputSchema:
    return InputSchema(
        inputs=tuple(_declared(node) for node in session.get_inputs()),
        outputs=tuple(_declared(node) for node in session.get_outputs()),
    )


def _declared(node: Any) -> TensorSchema:
    datatype = _DATATYPES.get(node.type)
    if datatype is None:
        raise ArtifactError(
            "the model takes or gives something that is no tensor of the protocol",
            subject=node.name,
            rule="inputs and outputs are tensors",
            expected=", ".join(sorted(_DATATYPES)),
            found=node.type,
            hint="export classifiers without ZipMap",
        )
    sizes: Sequence[Any] = node.shape
    shape = tuple(size if type(size) is int and size > 0 else None for size in sizes)
    return TensorSchema(name=node.name, datatype=datatype, shape=shape)


def _runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises; its errors share no base but `Exception`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = ("EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NoModel")
    more = ("NoSuchFile", "NotImplemented", "RuntimeException")
    named = (getattr(state, kind, None) for kind in kinds + more)
    return (RuntimeError, ValueError, *(kind for kind in named if isinstance(kind, type)))
