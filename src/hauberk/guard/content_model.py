"""A classifier of contents of the operator's own, as an ONNX model: no code of theirs is run.

The model takes either one text (BYTES, as tokenisers of the standard operators do) or the hashed
features of `methods.content_policy.features` (FP32, that many columns), one row at a time, and
gives one row of scores between 0 and 1, a column for each category in the order of the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.engine.load_gate import admit_bytes
from hauberk.errors import UsageError
from hauberk.formats.v2 import Datatype, Request, Tensor
from hauberk.guard.runtime import Model, open_model
from hauberk.methods.content_policy import WIDTH, ContentPolicy, features

MAX_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxClassifier:
    """A loaded model with the names of its columns."""

    model: Model
    names: tuple[str, ...]

    def scores(self, text: str) -> Mapping[str, float]:
        """What the model says of a text.

        Raises:
            ArtifactError: It gives no answer for it.
            ValueError: It gives another number of scores.
        """
        outputs = self.model.infer(Request(inputs=(self._tensor(text[:MAX_CHARACTERS]),)))
        values = list(outputs[0].values)
        return dict(zip(self.names, values, strict=True))

    def _tensor(self, text: str) -> Tensor:
        wanted = self.model.signature.inputs[0]
        if wanted.datatype is Datatype.BYTES:
            shape = (1,) * len(wanted.shape)
            return Tensor(name=wanted.name, datatype=wanted.datatype, shape=shape, values=[text])
        row: Any = features(text).astype("<f4")
        return Tensor(name=wanted.name, datatype=wanted.datatype, shape=(1, WIDTH), values=row)


def open_classifier(model: bytes, policy: ContentPolicy, name: str) -> OnnxClassifier:
    """Load the bytes of a model, once they pass the load gate.

    Raises:
        ArtifactError: The model is dangerous, or does not load.
        TrustError: It holds names that nobody has reviewed.
        UsageError: It takes or gives something else than a classifier of contents does.
        UnavailableError: onnxruntime is not installed.
    """
    admit_bytes(model, name)
    loaded = open_model(model)
    inputs, outputs = loaded.signature.inputs, loaded.signature.outputs
    kinds = {tensor.datatype for tensor in inputs}
    if len(inputs) != 1 or not kinds <= {Datatype.BYTES, Datatype.FP32}:
        raise _other(name, ", ".join(tensor.datatype for tensor in inputs))
    if not outputs or outputs[0].datatype is not Datatype.FP32:
        raise _other(name, "a first output that is no FP32")
    return OnnxClassifier(model=loaded, names=tuple(one.name for one in policy.categories))


def _other(name: str, found: str) -> UsageError:
    return UsageError(
        "the model is no classifier of contents",
        subject=name,
        rule="one text or one row of features in, one row of scores out",
        expected=f"one input of BYTES, or of FP32 with {WIDTH} columns; FP32 scores",
        found=found,
        hint="see the tutorial on guarding a language model",
    )
