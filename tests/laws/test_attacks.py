"""Laws that every attack obeys."""

from __future__ import annotations

import inspect
import json
from random import Random
from typing import Any

import pytest
from tests.laws import examples

from hauberk import catalogue
from hauberk.core.artifact import (
    CodeTree,
    Comparison,
    Dataset,
    Evaluation,
    History,
    LogSegment,
    ModelFile,
    RegistryEntry,
    Report,
    Splits,
    StoreSettings,
    Summaries,
    Synthesis,
    Transformation,
)
from hauberk.core.attack import Attack, Attacked, Play, Transform
from hauberk.engine import discover
from hauberk.errors import UnavailableError, UsageError

ATTACKS = discover("attacks")
each = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
CASES = [
    pytest.param(attack, build, id=f"{attack.id}-{build.__name__}")
    for attack in ATTACKS
    if isinstance(attack, Transform)
    for build in examples.of(examples.CLEAN, attack.subject)
]


def comparable(value: Any) -> Any:
    """What two twins must have in common: contents instead of functions and places."""
    readers = {
        Dataset: lambda table: [batch.to_pydict() for batch in table.read()],
        Comparison: lambda twins: (comparable(twins.old), comparable(twins.new)),
        Splits: lambda parts: (comparable(parts.train), comparable(parts.test)),
        Synthesis: lambda parts: (
            comparable(parts.synthetic),
            comparable(parts.train),
            comparable(parts.control),
        ),
        History: lambda history: [comparable(version) for version in history.versions],
        Transformation: lambda step: (
            comparable(step.old),
            comparable(step.new),
            step.declared,
        ),
        CodeTree: lambda tree: list(tree.files()),
        RegistryEntry: served,
        Evaluation: lambda item: (dict(item.reported), comparable(item.data)),
        Report: lambda report: (report.text, comparable(report.train)),
        LogSegment: lambda log: (list(log.records()), log.heads, log.witnessed),
        Summaries: lambda told: told.parts,
        StoreSettings: lambda store: (dict(store.documents), list(store.modes())),
        ModelFile: lambda file: file.path.read_bytes(),
    }
    reader = next((readers[kind] for kind in readers if isinstance(value, kind)), lambda same: same)
    return reader(value)


@each
def test_an_attack_is_frozen_data_with_defaults(attack: Attack):
    parameters = getattr(type(attack), "__dataclass_params__", None)
    assert parameters is not None
    assert parameters.frozen
    assert type(attack)() == attack


@each
def test_an_attack_is_called_what_its_path_says(attack: Attack):
    *_, subject, module = type(attack).__module__.split(".")
    assert attack.id == f"{subject}/{module}".replace("_", "-")
    assert attack.title


@each
def test_an_attack_demonstrates_threats_of_the_catalogue(attack: Attack):
    assert attack.threats
    assert set(attack.threats) <= set(catalogue.threats())


@each
def test_an_attack_says_whence_it_comes(attack: Attack):
    assert "References:" in (inspect.getdoc(type(attack)) or "")


@each
def test_an_attack_changes_a_subject_or_plays_against_one(attack: Attack):
    assert isinstance(attack, (Transform, Play))


def served(entry: RegistryEntry) -> list[bytes]:
    """What a client reads of a registry: the release, its statements, and their bytes."""
    if "registry" in entry.trusted:
        return [entry.read("metadata/timestamp.json"), entry.read("metadata/1.root.json")]
    index = entry.read("statements")
    return [entry.read("release"), index, *(entry.read(f"blobs/{d}") for d in json.loads(index))]


def applied(attack: Transform, subject: Any) -> Attacked:
    """The attacked twin; an attack that does not fit the subject says so and is skipped."""
    try:
        return attack.apply(subject, Random(3))
    except (UsageError, UnavailableError) as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("attack", "build"), CASES)
def test_the_same_seed_gives_the_same_twin(attack, build, tmp_path):
    first = applied(attack, build(tmp_path))
    contents = comparable(first.subject)
    second = applied(attack, build(tmp_path))
    assert contents == comparable(second.subject)
    assert (first.rows, first.truth) == (second.rows, second.truth)


@pytest.mark.parametrize(("attack", "build"), CASES)
def test_the_clean_subject_stays_as_it_is(attack, build, tmp_path):
    subject = build(tmp_path)
    before = comparable(subject)
    applied(attack, subject)
    assert comparable(subject) == before


@pytest.mark.parametrize(
    "attack",
    [item for item in ATTACKS if isinstance(item, Transform)],
    ids=lambda attack: attack.id,
)
def test_some_clean_example_can_be_attacked(attack, tmp_path):
    def fits(build: examples.Build) -> bool:
        try:
            attack.apply(build(tmp_path), Random(3))
        except (UsageError, UnavailableError):
            return False
        return True

    assert any(fits(build) for build in examples.of(examples.CLEAN, attack.subject))
