from random import Random

import pytest

from hauberk.attacks.pipeline.swap_artifact import SwapArtifact
from hauberk.controls.pipeline.swapped_artifact import SwappedArtifact
from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.control import NotApplicable
from hauberk.errors import ArtifactError, UsageError
from hauberk.range.scenarios.pi_2 import SOURCES, honest_run

A, B, C = (Digest("sha256:" + letter * 64) for letter in "abc")


def step(name: str, takes: dict, makes: dict) -> StepRecord:
    return StepRecord(name=name, command=(name,), materials=takes, products=makes)


def messages(*steps: StepRecord, sources: frozenset[str] | None = None) -> list[str]:
    run = PipelineRun(name="run", steps=steps)
    return [finding.message for finding in SwappedArtifact(sources=sources).check(run)]


def test_the_last_maker_of_a_path_counts():
    first, second = step("a", {}, {"m": A}), step("b", {"m": A}, {"m": B})
    assert messages(first, second, step("c", {"m": B}, {})) == []
    assert messages(first, second, step("c", {"m": A}, {})) == [
        "m is not what b made when c takes it"
    ]


def test_every_taker_is_looked_at():
    steps = [step("a", {}, {"m": A}), step("b", {"m": B}, {}), step("c", {"m": C}, {})]
    assert len(messages(*steps)) == 2


def test_without_declared_sources_materials_may_come_from_outside():
    assert messages(step("a", {"data": A}, {})) == []


def test_with_declared_sources_nothing_comes_from_nowhere():
    found = messages(step("a", {"data": A, "x": B}, {}), sources=frozenset({"data"}))
    assert found == ["x comes from nowhere when a takes it"]


def test_a_run_without_steps_cannot_be_judged():
    with pytest.raises(NotApplicable):
        messages()


def test_a_digest_that_is_none_is_an_error_of_the_artifact():
    with pytest.raises(ArtifactError):
        messages(step("a", {"m": Digest("md5:12")}, {}))


@pytest.mark.parametrize("taker", [None, "package", "upload", "deploy"])
def test_a_swap_is_found_wherever_it_happens(taker):
    for seed in range(20):
        attacked = SwapArtifact(taker=taker).apply(honest_run(Random(seed)), Random(seed))
        found = SwappedArtifact(sources=SOURCES).check(attacked.subject)
        assert attacked.truth["path"] in {finding.location.field for finding in found}


def test_a_hand_over_that_does_not_exist_cannot_be_attacked():
    with pytest.raises(UsageError):
        SwapArtifact(taker="nobody").apply(honest_run(Random(1)), Random(1))
