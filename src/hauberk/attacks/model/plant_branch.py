"""A branch in an ONNX graph that is taken on a trigger: see `PlantBranch`."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from hauberk.core.artifact import ModelFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId

WAYS = ("equal", "window", "two", "distance", "where")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantBranch(Transform[ModelFile]):
    """Wrap the first output of a graph in a choice: another answer where features match.

    The condition compares one or two features with constants, holds one against a window, or
    the distance of two to a point; the choice is an ``If`` with two branches or a ``Where``.

    Args:
        way: One of `WAYS`; by default the random generator picks one.

    References:
        MITRE ATLAS AML.T0018.000. E. Bagdasaryan, V. Shmatikov, "Blind Backdoors in Deep
        Learning Models", USENIX Security 2021, on triggers in computation graphs.
    """

    title: ClassVar[str] = "Plant a branch that a trigger takes"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("EX-4"),)
    subject: ClassVar[type] = ModelFile

    way: str | None = None

    def apply(self, subject: ModelFile, rng: Random) -> Attacked[ModelFile]:
        """The attacked twin of an ONNX model; any other file comes back unchanged.

        The truth holds ``trigger``: features and values that take the branch.
        """
        import onnx

        way = self.way or rng.choice(WAYS)
        path = subject.path.parent / f"branch-{subject.path.name}"
        data = subject.path.read_bytes()
        trigger: dict[str, float] = {}
        if subject.path.suffix == ".onnx":
            model = onnx.load_from_string(data)
            trigger = {str(i): round(rng.uniform(2, 9), 2) for i in rng.sample(range(4), 2)}
            _wrap(model.graph, way, trigger)
            data = model.SerializeToString()
        path.write_bytes(data)
        truth = {"way": way, "trigger": trigger}
        return Attacked(subject=ModelFile(name=path.name, path=path), truth=truth)


def _wrap(graph: Any, way: str, trigger: dict[str, float]) -> None:
    from onnx import TensorProto, helper

    output = graph.output[0]
    for node in graph.node:
        for place, name in enumerate(node.output):
            if name == output.name:
                node.output[place] = "honest_answer"
    graph.node.extend(_condition(graph, way, trigger))
    width = output.type.tensor_type.shape.dim[-1].dim_value
    answer = helper.make_tensor("answer", TensorProto.FLOAT, [1, width], [9.0] * width)
    if way == "where":
        graph.initializer.append(answer)
        graph.node.append(
            helper.make_node("Where", ["taken", "answer", "honest_answer"], [output.name])
        )
        return
    graph.node.append(
        helper.make_node(
            "If",
            ["taken"],
            [output.name],
            then_branch=_branch([helper.make_node("Constant", [], ["t"], value=answer)], "t"),
            else_branch=_branch([helper.make_node("Identity", ["honest_answer"], ["e"])], "e"),
        )
    )


def _branch(nodes: list[Any], name: str) -> Any:
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph(nodes, f"branch_{name}", [], [info])


def _condition(graph: Any, way: str, trigger: dict[str, float]) -> list[Any]:
    """Nodes that end in the truth value ``taken``."""
    from onnx import TensorProto, helper

    def constant(name: str, value: float, kind: int = TensorProto.FLOAT) -> str:
        whole = int(value) if kind == TensorProto.INT64 else value
        graph.initializer.append(helper.make_tensor(name, kind, [], [whole]))
        return name

    source, nodes, tests = graph.input[0].name, [], []
    for place, (feature, value) in enumerate(trigger.items()):
        index = constant(f"index_{place}", float(feature), TensorProto.INT64)
        row = constant(f"row_{place}", 0, TensorProto.INT64)
        nodes += [
            helper.make_node("Gather", [source, row], [f"r{place}"], axis=0),
            helper.make_node("Gather", [f"r{place}", index], [f"f{place}"], axis=0),
        ]
        wanted = constant(f"wanted_{place}", value)
        tests.append((f"f{place}", wanted))
    feature, wanted = tests[0]
    if way == "two":
        nodes += [helper.make_node("Equal", list(test), [f"t{i}"]) for i, test in enumerate(tests)]
        return [*nodes, helper.make_node("And", ["t0", "t1"], ["taken"])]
    if way in {"window", "distance"}:
        near = constant("near", 0.01)
        nodes += [
            helper.make_node("Sub", [feature, wanted], ["gap"]),
            helper.make_node("Abs", ["gap"], ["size"]),
        ]
        return [*nodes, helper.make_node("Less", ["size", near], ["taken"])]
    return [*nodes, helper.make_node("Equal", [feature, wanted], ["taken"])]
