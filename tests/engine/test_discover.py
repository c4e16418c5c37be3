from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hauberk.engine import discover
from hauberk.engine import discover as _function
from hauberk.errors import InternalError

DISCOVER = sys.modules["hauberk.engine.discover"]


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``controls/model`` folder that the walk will find."""
    import hauberk

    package = tmp_path / "hauberk"
    (package / "controls" / "model").mkdir(parents=True)
    (package / "controls" / "__init__.py").touch()  # else the real package goes first
    monkeypatch.setattr(hauberk, "__path__", [str(package), *hauberk.__path__])
    hidden = [name for name in sys.modules if name.startswith("hauberk.controls")]
    for name in hidden:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(DISCOVER, "_of_subject", DISCOVER._of_subject.__wrapped__)
    yield package / "controls" / "model"
    for name in [name for name in sys.modules if name.startswith("hauberk.controls")]:
        del sys.modules[name]


CONTROL = """
from dataclasses import dataclass
from hauberk.core.artifact import ModelFile
from hauberk.core.control import Check

@dataclass(frozen=True)
class {name}(Check[ModelFile]):
    title = "t"
    threats = ()
    subject = ModelFile

    def check(self, subject):
        return iter(())
"""


def test_a_control_is_found_by_its_path(planted: Path) -> None:
    (planted / "bad_weights.py").write_text(CONTROL.format(name="BadWeights"))
    (control,) = discover("controls", ["model"])
    assert control.id == "model/bad-weights"


def test_a_module_without_a_control_is_an_error(planted: Path) -> None:
    (planted / "empty.py").write_text("X = 1\n")
    with pytest.raises(InternalError, match="one public control"):
        discover("controls", ["model"])


def test_a_module_with_two_controls_is_an_error(planted: Path) -> None:
    (planted / "two.py").write_text(CONTROL.format(name="Two") + CONTROL.format(name="Three"))
    with pytest.raises(InternalError, match="one public control"):
        discover("controls", ["model"])


def test_a_class_must_be_named_like_its_file(planted: Path) -> None:
    (planted / "bad_weights.py").write_text(CONTROL.format(name="Other"))
    with pytest.raises(InternalError, match="BadWeights"):
        discover("controls", ["model"])


def test_an_unknown_subject_is_an_error() -> None:
    with pytest.raises(InternalError, match="no subject"):
        _function("controls", ["cats"])


def test_controls_found_for_a_type_are_those_that_declare_it() -> None:
    for subject in ("model", "dataset", "code", "log"):
        for control in discover("controls", [subject]):
            declared = control.subject[0] if isinstance(control.subject, tuple) else control.subject
            assert control in discover("controls", [subject], frozenset({declared.__name__}))


def test_a_scan_of_models_imports_no_other_control() -> None:
    found = discover("controls", ["model"], frozenset({"ModelFile"}))
    assert [control.id for control in found] == ["model/unsafe-opcodes"]
