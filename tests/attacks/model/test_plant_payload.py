"""Payloads are real: each makes its canary with the control off, and each is refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hauberk.attacks.model.plant_payload import VARIANTS, PlantPayload
from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Severity
from hauberk.errors import UsageError
from hauberk.range.worlds.loaders import opens


def planted(folder: Path, variant: str) -> tuple[ModelFile, str]:
    attack = PlantPayload(variant=variant)
    attacked = attack.apply(ModelFile(name="m", path=folder / "m.pkl"), random.Random(0))
    return attacked.subject, attacked.truth["loader"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_called_dangerous(tmp_path: Path, variant: str) -> None:
    model, _ = planted(tmp_path, variant)
    assert Severity.CRITICAL in {finding.severity for finding in UnsafeOpcodes().check(model)}


@pytest.mark.parametrize("variant", ["memo-alias", "scipy-template", "joblib-xz", "broken-tail"])
def test_a_victim_without_the_control_is_hit(tmp_path: Path, variant: str) -> None:
    model, loader = planted(tmp_path, variant)
    opens(model.path, loader)
    assert (tmp_path / "canary").exists()


def test_there_are_at_least_sixty_variants() -> None:
    assert len(VARIANTS) >= 60


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    subject = ModelFile(name="m", path=tmp_path / "m.pkl")
    first = PlantPayload().apply(subject, random.Random(7)).subject.path.read_bytes()
    assert PlantPayload().apply(subject, random.Random(7)).subject.path.read_bytes() == first


def test_an_unknown_variant_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no variant"):
        planted(tmp_path, "none")
