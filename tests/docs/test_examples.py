"""Every example in a docstring runs and gives what it shows."""

import doctest
import importlib
from pathlib import Path

import pytest

import hauberk

_PACKAGE = Path(hauberk.__file__).parent
_MODULES = sorted(
    ".".join(("hauberk", *path.relative_to(_PACKAGE).with_suffix("").parts))
    for path in _PACKAGE.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


def test_there_are_examples_to_run():
    assert _MODULES


@pytest.mark.parametrize("name", _MODULES)
def test_the_examples_of_a_module_are_true(name: str):
    module = importlib.import_module(name.removesuffix(".__init__"))
    results = doctest.testmod(module)
    assert results.attempted
    assert results.failed == 0
