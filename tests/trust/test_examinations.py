from dataclasses import replace
from random import Random

import pytest

from hauberk.core.artifact import Digest
from hauberk.core.policy import Examination
from hauberk.errors import ArtifactError, TrustError
from hauberk.range.worlds.registry import EXAMINED, STRENGTH, Project
from hauberk.trust.digest import digest_bytes
from hauberk.trust.dsse import Envelope
from hauberk.trust.examinations import check_examination
from hauberk.trust.predicates import (
    ModelTest,
    Result,
    model_test_statement,
    read_model_test,
)
from hauberk.trust.statement import parse

NOW = EXAMINED + 86_400.0


@pytest.fixture(scope="module")
def test_result() -> ModelTest:
    made = Project(name="loans").publish(Random(1), 1)
    return read_model_test(parse(Envelope.from_bytes(made.statements[-1]).payload))


def _check(*tests: ModelTest, wanted: Examination | None = None, now: float = NOW) -> ModelTest:
    first = tests[0]
    return check_examination(
        tests,
        wanted or Examination(),
        subject="loans@1",
        model=first.digest,
        sets=first.data,
        now=now,
    )


def _with(test: ModelTest, **changes: object) -> ModelTest:
    return replace(test, strength={"robustness": {**STRENGTH, **changes}})


def test_a_statement_keeps_how_a_model_was_examined(test_result):
    back = read_model_test(parse(model_test_statement(test_result)))
    assert back == test_result
    assert back.intervals == {"robust_accuracy@0.1": (0.65, 0.75)}


def test_an_examination_that_is_hard_and_fresh_enough_counts(test_result):
    assert _check(test_result) is test_result


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"radius": 0.0}, "too small a radius"),
        ({"rows": 3}, "too few rows"),
        ({"rows": 0, "of": 0}, "too few rows"),
        ({"queries": 1}, "too few calls"),
        ({"attacks": ["noise"]}, "attacks were left out"),
    ],
)
def test_a_weak_examination_is_refused_by_what_it_lacks(test_result, changes, said):
    with pytest.raises(TrustError, match=said):
        _check(_with(test_result, **changes))


def test_a_small_test_set_is_enough_where_all_of_it_was_attacked(test_result):
    assert _check(_with(test_result, rows=30, of=30))
    with pytest.raises(TrustError, match="too few rows"):
        _check(_with(test_result, rows=29, of=30))


def test_nothing_radius_is_refused_even_where_the_policy_asks_for_none(test_result):
    with pytest.raises(TrustError, match="radius"):
        _check(_with(test_result, radius=0), wanted=Examination(min_radius=0.0))


def test_what_does_not_apply_to_a_model_is_believed_to_the_signer(test_result):
    numbers = {"robustness": {"not_applicable": "the model gives numbers, not classes"}}
    assert _check(replace(test_result, strength=numbers))


def test_a_part_that_was_skipped_is_named(test_result):
    with pytest.raises(TrustError, match="skipped fairness"):
        _check(test_result, wanted=Examination(parts=frozenset({"fairness", "robustness"})))


def test_an_old_examination_and_one_from_the_future_are_refused(test_result):
    with pytest.raises(TrustError, match="too old"):
        _check(test_result, now=NOW + 90 * 86_400)
    with pytest.raises(TrustError, match="from the future"):
        _check(test_result, now=EXAMINED - 3_600)


def test_a_later_examination_stands_in_for_an_old_one(test_result):
    later = replace(test_result, at=EXAMINED + 100 * 86_400)
    assert _check(test_result, later, now=EXAMINED + 101 * 86_400) is later


def test_a_later_examination_that_failed_is_not_passed_over(test_result):
    later = replace(test_result, at=EXAMINED + 60, result=Result.FAILED)
    with pytest.raises(TrustError, match="failed its examination"):
        _check(test_result, later)


def test_an_examination_of_another_model_or_of_other_rows_counts_for_nothing(test_result):
    other = replace(test_result, digest=digest_bytes(b"other"))
    foreign = replace(test_result, data={"test.csv": digest_bytes(b"mine")})
    silent = replace(test_result, at=None)
    with pytest.raises(TrustError, match="nobody says how this model was examined"):
        _check(silent, other, foreign)


def test_numbers_that_are_none_are_malformed(test_result):
    with pytest.raises(ArtifactError):
        _check(_with(test_result, rows="all"))


def test_a_statement_with_broken_bounds_is_malformed(test_result):
    broken = replace(test_result, intervals={"accuracy": (1.0,)})
    with pytest.raises(ArtifactError, match="accuracy"):
        read_model_test(parse(model_test_statement(broken)))


def test_digests_stay_digests(test_result):
    assert isinstance(test_result.digest, str)
    assert Digest(test_result.digest).startswith("sha256:")
