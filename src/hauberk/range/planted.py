"""Trials over planted faults of code and settings: found in the fault, silent on its twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Transform
from hauberk.core.control import Control
from hauberk.core.finding import Level
from hauberk.engine.assess import assess
from hauberk.methods.code.planted import with_file
from hauberk.range.projects import project
from hauberk.range.scenario import Trial

Play = Callable[[int], Trial]


def told_of(controls: tuple[Control, ...], tree: CodeTree, path: str, *, defect: bool) -> bool:
    """Whether any control tells of a file of the tree."""
    return any(
        finding.path == path and (finding.level is Level.DEFECT or not defect)
        for control in controls
        for finding in assess(control, tree).findings
    )


def planted(
    controls: tuple[Control, ...],
    attack: Transform[CodeTree],
    metric: str,
    *,
    defect: bool = False,
    is_clean: bool = False,
) -> Play:
    """One fault among honest files; the twin of the same file gives the false alarm.

    Args:
        defect: Whether only a defect counts, which denies by itself.
        is_clean: Whether the metric is the alarm on the twin instead of the fault.
    """

    def play(seed: int) -> Trial:
        attacked = attack.apply(project(seed), Random(seed))
        path = attacked.truth["path"]
        twin = SourceFile(name=path, path=Path(path), text=attacked.truth["twin"])
        alarm = told_of(controls, with_file(attacked.subject, twin), path, defect=defect)
        if is_clean:
            return Trial(values={metric: float(alarm)})
        found = told_of(controls, attacked.subject, path, defect=defect)
        text = next(file.text for file in attacked.subject.files() if file.name == path)
        return Trial(
            values={metric: float(found)}, potent=text != twin.text, false_alarm=float(alarm)
        )

    return play


def single(name: str, text: str) -> CodeTree:
    """A tree of one file."""
    file = SourceFile(name=name, path=Path(name), text=text)

    def files() -> Iterator[SourceFile]:
        return iter([file])

    return CodeTree(name="planted", root=Path("/planted"), files=files)


def precise(
    controls: tuple[Control, ...],
    attack: Transform[CodeTree],
    metric: str,
    *,
    without: frozenset[str] = frozenset(),
) -> Play:
    """One finding drawn from all over a project with planted faults and as many honest twins.

    It is true where it is about a planted file.

    Args:
        without: Files of the project that hold such a fault by themselves.
    """

    def play(seed: int) -> Trial:
        rng = Random(seed)
        kept = [file for file in project(seed).files() if file.name not in without]
        tree = replace(project(seed), files=lambda: iter(kept))
        planted_files, twins = set(), set()
        for _ in range(_FAULTS):
            attacked = attack.apply(tree, rng)
            if attacked.truth["path"] not in twins:
                tree = attacked.subject
                planted_files.add(attacked.truth["path"])
            honest = attack.apply(tree, rng)
            path = honest.truth["path"]
            if path not in planted_files:
                twin = SourceFile(name=path, path=Path(path), text=honest.truth["twin"])
                tree = with_file(tree, twin)
                twins.add(path)
        told = [
            finding.path
            for control in controls
            for finding in assess(control, tree).findings
            if ":" not in finding.path
        ]
        return Trial(
            values={metric: float(rng.choice(told) in planted_files) if told else 0.0}, potent=True
        )

    return play


_FAULTS = 5
