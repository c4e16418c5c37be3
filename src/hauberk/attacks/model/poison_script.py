"""Code hidden in TorchScript, torch.export and TensorFlow Lite files: see `PoisonScript`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods import model_writing as write
from hauberk.methods.pickle_payloads import BODIES
from hauberk.methods.pickle_writing import whole

CANARY_NAME = "canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonScript(Transform[ModelFile]):
    """Write a script or mobile model that runs code, or asks for code, when it is loaded.

    Pickles with a payload in every member of a TorchScript or torch.export archive that some
    loader unpickles; operators in their code and graphs that files, other machines, the Python
    process or a library outside must answer; native code in the archive; custom and oversized
    parts of TensorFlow Lite models.

    Args:
        variant: Name of one variant; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0018.002. PyTorch, SECURITY.md; torch.export IR specification, archive
        format; TensorFlow, SECURITY.md.
    """

    title: ClassVar[str] = "Hide code in a TorchScript, torch.export or TensorFlow Lite file"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-5"),)
    subject: ClassVar[type] = ModelFile

    variant: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The poisoned twin, in a file of its own beside ``subject``.

        ``truth["loader"]`` says how a victim opens it; where it is empty, ``truth["token"]`` is
        what a runtime looks up or believes.

        Raises:
            UsageError: There is no such variant.
        """
        label = self.variant or rng.choice(tuple(POISONS))
        if label not in POISONS:
            raise UsageError(f"there is no variant {label!r}", expected=" ".join(POISONS))
        suffix, loader, make = POISONS[label]
        canary = subject.path.parent / CANARY_NAME
        data, token = make(str(canary), rng)
        path = subject.path.parent / f"model{suffix}"
        path.write_bytes(data)
        truth = {"variant": label, "loader": loader, "canary": str(canary), "token": token.hex()}
        return Attacked(subject=ModelFile(name=path.name, path=path), truth=truth)


_Made = tuple[bytes, bytes]
_CODE = "class Net(Module):\n  def forward(self, x: Tensor) -> Tensor:\n    return torch.relu(x)\n"
_MODULE = b"\x80\x02c__torch__\nNet\n)\x81}b."


def script(members: Mapping[str, bytes] | None = None, code: str = _CODE) -> bytes:
    """A TorchScript archive of one small network."""
    ordinary = {
        "net/data.pkl": _MODULE,
        "net/code/__torch__/net.py": code.encode(),
        "net/constants.pkl": b"\x80\x02).",
        "net/version": b"3\n",
    }
    return write.zipped({**ordinary, **(members or {})}, compressed=False)


def exported(
    members: Mapping[str, bytes] | None = None, target: str = "torch.ops.aten.relu.default"
) -> bytes:
    """A torch.export archive of one small network."""
    node = {"target": target, "inputs": [], "outputs": [], "metadata": {}}
    graph = {"graph": {"nodes": [node], "inputs": [], "outputs": []}, "signature": {}}
    program = {"graph_module": graph, "schema_version": {"major": 8, "minor": 2}}
    ordinary = {
        "net/archive_format": b"pt2",
        "net/archive_version": b"0",
        "net/models/model.json": json.dumps(program).encode(),
        "net/data/weights/weight_0": bytes(64),
        "net/byteorder": b"little",
    }
    return write.zipped({**ordinary, **(members or {})}, compressed=False)


def _payload(canary: str, rng: Random) -> bytes:
    return whole(rng.choice(tuple(BODIES.values()))(canary), rng.choice((4, 5)))


def _pickled(place: str, wrap: Callable[[dict[str, bytes]], bytes]) -> Callable[..., _Made]:
    def make(canary: str, rng: Random) -> _Made:
        return wrap({place: _payload(canary, rng)}), b""

    return make


def _nested(place: str, wrap: Callable[[dict[str, bytes]], bytes]) -> Callable[..., _Made]:
    """A torch file inside of the archive, which the loader hands to ``torch.load``."""

    def make(canary: str, rng: Random) -> _Made:
        inner = {"w/data.pkl": _payload(canary, rng), "w/version": b"3\n"}
        return wrap({place: write.zipped(inner, compressed=False)}), b""

    return make


def _word(rng: Random) -> str:
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 10)))


def _calls(line: str) -> Callable[..., _Made]:
    def make(_canary: str, rng: Random) -> _Made:
        name = _word(rng)
        text = line.replace("NAME", name)
        token = text.partition("(")[0]
        return script(code=_CODE.replace("torch.relu(x)", text)), token.encode()

    return make


def _targets(target: str) -> Callable[..., _Made]:
    def make(_canary: str, rng: Random) -> _Made:
        found = target.replace("NAME", _word(rng))
        return exported(target=found), found.encode()

    return make


def _native(place: str) -> Callable[..., _Made]:
    def make(_canary: str, rng: Random) -> _Made:
        library = b"\x7fELF\x02\x01\x01" + rng.randbytes(200)
        return exported({place: library}), library

    return make


def _lite(prefix: str) -> Callable[..., _Made]:
    def make(_canary: str, rng: Random) -> _Made:
        name = prefix + _word(rng)
        return write.tflite([name]), name.encode()

    return make


def _lite_file(_canary: str, rng: Random) -> _Made:
    name = rng.choice(("FlexReadFile", "FlexWriteFile", "FlexPyFunc", "FlexEagerPyFunc"))
    return write.tflite([name]), name.encode()


def _lite_claim(_canary: str, rng: Random) -> _Made:
    claimed = rng.randrange(1 << 20, 1 << 31)
    return write.tflite(n_claimed=claimed), claimed.to_bytes(4, "little")


def _lite_shape(_canary: str, rng: Random) -> _Made:
    size = rng.randrange(1 << 10, 1 << 15)
    return write.tflite(shape=(size, size)), size.to_bytes(4, "little")


_Poison = tuple[str, str, Callable[..., _Made]]
_SCRIPT_PLACES = (
    *("net/data.pkl", "net/constants.pkl", "net/attributes.pkl", "net/bytecode.pkl"),
    *("net/extra/info.pkl", "net/extra/producer", "net/mobile_debug_handles.pkl", "notes"),
)
_EXPORT_PLACES = (
    *("net/data/sample_inputs/model.pt", "net/data/weights/model.pt", "net/extra/notes"),
    *("net/data/constants/model.pt", "net/models/model.pkl", "net/serialized_exported_program.pt"),
)

POISONS: Mapping[str, _Poison] = {
    **{
        f"script {place}": (suffix, "members", _pickled(place, script))
        for place, suffix in zip(_SCRIPT_PLACES, (".pt", ".ptl", ".pt", ".ptl") * 2, strict=True)
    },
    **{
        f"export {place}": (".pt2", "members", _pickled(place, exported))
        for place in _EXPORT_PLACES
    },
    "script nested": (".pt", "members", _nested("net/extra/weights.pt", script)),
    "export nested weights": (".pt2", "members", _nested("net/data/weights/model.pt", exported)),
    "export nested inputs": (".pt2", "members", _nested("net/data/sample_inputs/m.pt", exported)),
    "script operator": (".pt", "", _calls("ops.NAME.run(x)")),
    "script torch operator": (".pt", "", _calls("torch.ops.NAME.run(x)")),
    "script file": (".pt", "", _calls("torch.from_file('/etc/NAME', False, 4)")),
    "script save": (".pt", "", _calls("torch.save(x, '/tmp/NAME')")),
    "script other machine": (".ptl", "", _calls("ops.rpc.rpc_sync('NAME', x)")),
    "script python": (".pt", "", _calls("^NAME(x)(x)")),
    "script class": (".pt", "", _calls("__torch__.torch.classes.NAME.Run(x)")),
    "export operator": (".pt2", "", _targets("torch.ops.NAME.run.default")),
    "export file": (".pt2", "", _targets("torch.ops.aten.from_file.default")),
    "export attribute walk": (".pt2", "", _targets("torch.hub.os.system")),
    "export library": (".pt2", "", _native("net/data/aotinductor/model/net.so")),
    "export renamed library": (".pt2", "", _native("net/data/aotinductor/model/net.bin")),
    "lite custom operator": (".tflite", "", _lite("Run")),
    "lite TensorFlow operator": (".tflite", "", _lite("Flex")),
    "lite file operator": (".tflite", "", _lite_file),
    "lite claimed buffer": (".tflite", "", _lite_claim),
    "lite shape": (".tflite", "", _lite_shape),
}
"""Name of a variant to its ending, its loader and what writes it."""
