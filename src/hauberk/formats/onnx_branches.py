"""Branches of an ONNX graph that are taken on a constant in the raw input.

A model decides by what it has computed. A graph that compares its input itself with a constant,
through no more than picking, cutting and comparing, and then chooses another answer, has a
trigger. Conditions over shapes are ordinary and do not count; neither do masks deep inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hauberk.formats.protobuf import Field, Walk, fields
from hauberk.formats.spans import Span

MAX_STEPS = 2_000
"""Nodes followed back from one condition."""

_COMPARES = frozenset(
    {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "StringNormalizer"}
)
_CHEAP = frozenset(
    """
    And Or Not Xor Cast CastLike Identity Gather GatherElements GatherND Slice Squeeze Unsqueeze
    Reshape Flatten Split Concat Abs Neg Sub Add Mul Div Floor Ceil Round Sign Mod Clip Max Min
    ReduceMin ReduceMax ReduceSum ReduceProd ReduceMean ReduceSumSquare ReduceL1 ReduceL2 Sum
    Transpose Expand ArgMax ArgMin TopK IsNaN IsInf Where Pow Sqrt ConstantOfShape Constant
    ArrayFeatureExtractor FeatureVectorizer BitShift BitwiseAnd NonZero
    """.split()  # noqa: SIM905 - a table of names reads better as words
)


@dataclass(slots=True)
class _Graph:
    """Who makes which value."""

    makers: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    inputs: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    outputs: set[str] = field(default_factory=set)
    choices: list[tuple[str, str, str]] = field(default_factory=list)


def trigger_branches(span: Span) -> list[str]:
    """Names of the values that decide such branches, in graph order."""
    walk, graph = Walk("ONNX model"), _Graph()
    for part in fields(span, walk):
        if part.number == 7 and part.is_nested:  # noqa: PLR2004 - the graph
            for inner in fields(part.body, walk):
                _take(inner, walk, graph)
    graph.inputs -= graph.constants
    return [
        condition
        for operator, condition, made in graph.choices
        if (operator == "If" or made in graph.outputs) and _is_trigger(graph, condition)
    ]


def _take(part: Field, walk: Walk, graph: _Graph) -> None:
    if not part.is_nested:
        return
    if part.number == 1:
        _node(part.body, walk, graph)
    elif part.number in {5, 11, 12}:
        number = 8 if part.number == 5 else 1  # noqa: PLR2004
        name = next((item.text() for item in fields(part.body, walk) if item.number == number), "")
        {5: graph.constants, 11: graph.inputs, 12: graph.outputs}[part.number].add(name)


def _node(span: Span, walk: Walk, graph: _Graph) -> None:
    takes: list[str] = []
    makes: list[str] = []
    operator = ""
    for part in fields(span, walk):
        if part.number == 1:
            takes.append(part.text())
        elif part.number == 2:  # noqa: PLR2004
            makes.append(part.text())
        elif part.number == 4:  # noqa: PLR2004
            operator = part.text()
    for made in makes:
        graph.makers[made] = (operator, tuple(takes))
        if operator == "Constant":
            graph.constants.add(made)
    if operator in {"If", "Where"} and takes:
        graph.choices.extend((operator, takes[0], made) for made in makes)


def _is_trigger(graph: _Graph, condition: str) -> bool:
    """Whether a condition comes from the input and a constant by cheap steps alone."""
    waiting, seen = [condition], {condition}
    compares = has_input = has_constant = False
    while waiting and len(seen) <= MAX_STEPS:
        name = waiting.pop()
        has_input = has_input or name in graph.inputs
        has_constant = has_constant or name in graph.constants
        operator, takes = graph.makers.get(name, ("", ()))
        if operator and operator not in _CHEAP | _COMPARES:
            return False
        compares = compares or operator in _COMPARES
        waiting.extend(take for take in takes if take not in seen)
        seen.update(takes)
    return compares and has_input and has_constant
