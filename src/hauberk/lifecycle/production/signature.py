"""The signature of an exported model as the closed schema that requests are held against.

Names and types of the tensors come from the graph, read in a worker because the graph is
foreign; bounds and categories come from the profile of the training rows.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hauberk.errors import UnavailableError
from hauberk.formats.v2 import Datatype
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.guard.learning import learn_schema
from hauberk.isolation import Grants, Limits, spawn
from hauberk.lifecycle.production.model_export import PATH as MODEL

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.sketches.profile import Profile

_TYPES = {
    "tensor(double)": Datatype.FP64,
    "tensor(float)": Datatype.FP32,
    "tensor(int64)": Datatype.INT64,
    "tensor(int32)": Datatype.INT32,
    "tensor(bool)": Datatype.BOOL,
    "tensor(string)": Datatype.BYTES,
}


def schema_for(shop: Workshop, profile: Profile, *, max_rows: int) -> InputSchema:
    """The schema of the exported model.

    Raises:
        UnavailableError: A tensor has a type that the protocol cannot carry.
    """
    found = _signature(shop)
    signature = InputSchema(
        inputs=tuple(_tensor(node) for node in found["inputs"]),
        outputs=tuple(_tensor(node) for node in found["outputs"]),
    )
    return learn_schema(profile, signature, features=shop.shared.features, max_rows=max_rows)


def _tensor(node: Any) -> TensorSchema:
    return TensorSchema(name=str(node["name"]), datatype=_datatype(node), shape=_shape(node))


def _signature(shop: Workshop) -> Any:
    """Names, types and shapes of the graph's tensors, read in a worker."""
    model = shop.view(MODEL)
    answer = spawn(
        "hauberk.lifecycle.workers.native:signature",
        json.dumps({"model": str(model)}).encode(),
        grants=Grants(read=(model,)),
        limits=Limits(wall_s=60.0, cpu_s=60.0),
        level=shop.context.isolation,
    )
    return json.loads(answer)


def _datatype(node: Any) -> Datatype:
    if node["type"] not in _TYPES:
        raise UnavailableError(
            "the model takes or gives a type that cannot be served",
            subject=str(node["name"]),
            expected=", ".join(_TYPES),
            found=str(node["type"]),
        )
    return _TYPES[node["type"]]


def _shape(node: Any) -> tuple[int | None, ...]:
    """The first dimension is the number of rows, whatever the graph calls it."""
    sizes = [size if isinstance(size, int) and size > 0 else None for size in node["shape"]]
    return (None, *sizes[1:]) if sizes else (None,)
