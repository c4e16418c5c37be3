"""EX-4: graphs with forbidden operators and paths, changed graphs, and branches on a trigger."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random
from typing import Any

from hauberk.attacks.model.alter_graph import GRAFTS, AlterGraph
from hauberk.attacks.model.change_export import CHANGES, ChangeExport
from hauberk.attacks.model.plant_branch import WAYS, PlantBranch
from hauberk.controls.model.altered_export import AlteredExport
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import Comparison, ModelFile
from hauberk.core.finding import Outcome
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.runtimes import acts_on, outputs

EX_4 = ThreatId("EX-4")
READER = UnsafeOpcodes()
TWIN = AlteredExport()


def _graft(seed: int) -> Trial:
    rng = Random(seed)
    variant = tuple(GRAFTS)[seed % len(GRAFTS)]
    with tempfile.TemporaryDirectory() as folder:
        start = ModelFile(name="m", path=Path(folder) / "m")
        attacked = AlterGraph(variant=variant).apply(start, rng)
        file = attacked.subject
        return Trial(
            values={"refused": assess(READER, file).outcome is not Outcome.CLEAN},
            potent=acts_on(file.path, bytes.fromhex(attacked.truth["token"])),
            false_alarm=float(alarmed(READER, perceptron(Path(folder), rng))),
        )


def _change(seed: int) -> Trial:
    rng = Random(seed)
    change = tuple(CHANGES)[seed % len(CHANGES)]
    with tempfile.TemporaryDirectory() as folder:
        clean = perceptron(Path(folder), rng)
        changed = ChangeExport(change=change).apply(clean, rng).subject
        same = ModelFile(name="same", path=_again(clean.path))
        return Trial(
            values={"refused": denied(TWIN, Comparison(old=clean, new=changed))},
            potent=changed.path.read_bytes() != clean.path.read_bytes(),
            false_alarm=float(alarmed(TWIN, Comparison(old=clean, new=same))),
        )


def _again(path: Path) -> Path:
    """The same model written again, with another note on it."""
    import onnx

    model = onnx.load(path)
    model.producer_version = "2"
    model.graph.doc_string = "exported again"
    twin = path.with_name("again.onnx")
    twin.write_bytes(model.SerializeToString())
    return twin


def _branch(seed: int) -> Trial:
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        clean = perceptron(Path(folder), rng)
        attacked = PlantBranch(way=WAYS[seed % len(WAYS)]).apply(clean, rng)
        file = attacked.subject
        row = [0.25] * 4
        stamped = list(row)
        for feature, value in attacked.truth["trigger"].items():
            stamped[int(feature)] = value
        same = outputs(file.path, [row]) == outputs(clean.path, [row])
        return Trial(
            values={"detected": denied(READER, file)},
            potent=same and outputs(file.path, [stamped]) != outputs(clean.path, [stamped]),
            false_alarm=float(alarmed(READER, clean)),
        )


def perceptron(folder: Path, rng: Random) -> ModelFile:
    """A small network over four features with random weights."""
    from onnx import TensorProto, helper

    def weights(name: str, *shape: int) -> Any:
        size = shape[0] * (shape[1] if len(shape) > 1 else 1)
        return helper.make_tensor(
            name, TensorProto.FLOAT, shape, [rng.gauss(0, 1) for _ in range(size)]
        )

    hidden = rng.randint(3, 9)
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node(rng.choice(("Relu", "Tanh", "Sigmoid")), ["h"], ["a"]),
        helper.make_node("Gemm", ["a", "w2", "b2"], ["y"]),
    ]
    values = [weights("w1", 4, hidden), weights("b1", hidden), weights("w2", hidden, 3)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "net", [x], [y], [*values, weights("b2", 3)])
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    path = folder / "clean.onnx"
    path.write_bytes(model.SerializeToString())
    return ModelFile(name=path.name, path=path)


SCENARIOS = (
    Scenario(
        threat=EX_4,
        attack=AlterGraph(),
        control=READER,
        play=_graft,
        parts=(("refused", "forbidden operator or path"),),
        note=f"{len(GRAFTS)} ways in turn, over ONNX, TensorFlow, Lite, Keras and HDF5, random "
        "names and places; a finding for a person refuses at a load gate too",
    ),
    Scenario(
        threat=EX_4,
        attack=ChangeExport(),
        control=TWIN,
        play=_change,
        parts=(("refused", "changed against the attested export"),),
        note=f"{len(CHANGES)} changes in turn to small networks; the clean twin is the same model "
        "written again with other notes",
    ),
    Scenario(
        threat=EX_4,
        attack=PlantBranch(),
        control=READER,
        play=_branch,
        parts=(("detected", "trigger branch"),),
        note="conditions on one or two features, If and Where; ONNX Runtime shows that the "
        "trigger changes the answer and other rows do not",
    ),
)
