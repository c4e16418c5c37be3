"""Code that nobody here wrote, and clean projects: what the controls say of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from random import Random

from hauberk.attacks.code.plant_fault import FAULTS, PlantFault
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.finding import Level, Severity
from hauberk.engine import assess_all, discover
from hauberk.errors import UnavailableError
from hauberk.formats.source import open_tree
from hauberk.methods.code.planted import with_file
from hauberk.range.projects import project

PACKAGES = (
    *("PIL", "cryptography", "joblib", "lightgbm", "narwhals", "numpy", "onnx", "onnxruntime"),
    *("psycopg", "pyarrow", "redis", "scipy", "skl2onnx", "sklearn"),
)
"""Packages of more than 10,000 lines that come with the extras, wherever the range runs whole."""
_TWINS = 20


def installed(package: str) -> CodeTree:
    """The code of an installed package.

    Raises:
        UnavailableError: It is not installed.
    """
    found = find_spec(package)
    if found is None or found.origin is None:
        raise UnavailableError("the package is not installed", subject=package)
    return open_tree(Path(found.origin).parent, history=False)


def clean(seed: int) -> CodeTree:
    """A clean project with the honest twins of twenty kinds of faults."""
    rng, tree = Random(seed), project(seed)
    for fault in rng.sample(FAULTS, _TWINS):
        attacked = PlantFault(kind=fault.kind).apply(tree, rng)
        path = attacked.truth["path"]
        twin = SourceFile(name=path, path=Path(path), text=attacked.truth["twin"])
        tree = with_file(tree, twin)
    return tree


def alarms(tree: CodeTree) -> int:
    """Findings at the level that makes a scan fail by default."""
    controls = discover("controls", subjects={"code"})
    return sum(
        finding.level is Level.DEFECT and finding.severity.rank >= Severity.HIGH.rank
        for assessment in assess_all(controls, tree)
        for finding in assessment.findings
    )


def lines(tree: CodeTree) -> int:
    """Lines of all files of code and settings."""
    return sum(file.text.count("\n") + 1 for file in tree.files())
