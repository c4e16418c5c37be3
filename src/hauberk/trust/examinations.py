"""What production demands of the examination of a model, and whether a statement holds it.

The statement is a test result whose signature, model and sets `hauberk.trust.chain` has
verified; what is held against the demand here is how hard the examination was and when. In
order:

1. There is a test of this very model, by its digest, on sets that the chain knows, that says
   how it was made.
2. It is as fresh as the demand asks, and not from the future.
3. Every part asked for was gone through, or the test says why it does not apply.
4. Each part looked at enough rows, with enough calls of the model, to a large enough radius,
   and robustness with every attack asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.policy import Examination
from hauberk.errors import ArtifactError
from hauberk.trust.fields import Fields, time_text
from hauberk.trust.handover import refusal
from hauberk.trust.predicates import ModelTest, Result

DAY_S = 86_400.0
NOT_APPLICABLE = "not_applicable"
ROBUSTNESS = "robustness"
_EARLY_S = 600.0
"""Clocks of two machines may differ by some minutes."""

_HINT = (
    "evaluate the model again: hauberk run, or hauberk validate --attest with the demanded strength"
)


def check_examination(
    tests: Iterable[ModelTest],
    wanted: Examination,
    *,
    subject: str,
    model: Digest,
    sets: Mapping[str, Digest],
    now: float,
) -> ModelTest:
    """The newest examination that holds the demand.

    Args:
        tests: Examinations whose signatures were verified.
        wanted: The pinned demand.
        subject: Names the version in errors.
        model: Digest of the model that is to go to production.
        sets: Sealed sets of the chain, name to digest.
        now: Seconds since the epoch.

    Raises:
        TrustError: None does; the error names what the newest one lacks.
    """
    known = set(sets.values())
    own = [test for test in tests if test.digest == model and set(test.data.values()) <= known]
    told = sorted(
        ((test.at, test) for test in own if test.at is not None and test.data),
        key=lambda pair: pair[0],
        reverse=True,
    )
    if not told:
        raise refusal(
            "nobody says how this model was examined",
            subject=subject,
            rule="a model goes to production on an examination of itself, on sealed rows",
            expected=f"a signed examination of {model}",
            found="none of this model" if not own else "one that does not say how and when",
            hint=_HINT,
        )
    at, newest = told[0]
    _check_age(at, wanted, subject, now)
    if newest.result is Result.FAILED or newest.failed:
        raise refusal(
            "the model failed its examination",
            subject=subject,
            rule="a model in production failed no test",
            expected=Result.PASSED.value,
            found=", ".join(newest.failed) or newest.result.value,
            hint="train a better model",
        )
    for part in sorted(wanted.parts):
        _check_part(part, newest, wanted, subject)
    return newest


def _check_age(at: float, wanted: Examination, subject: str, now: float) -> None:
    age_days = (now - at) / DAY_S
    if age_days > wanted.max_age_days or at > now + _EARLY_S:
        raise refusal(
            "the examination of this model is too old"
            if age_days > 0
            else "the examination of this model is from the future",
            subject=subject,
            rule="a model is promoted on a fresh examination",
            expected=f"at most {wanted.max_age_days:g} days old",
            found=f"made {time_text(at)}, {age_days:.1f} days ago",
            hint=_HINT,
        )


def _check_part(part: str, test: ModelTest, wanted: Examination, subject: str) -> None:
    if part not in test.strength:
        raise refusal(
            f"the examination skipped {part}",
            subject=subject,
            rule=f"the pinned policy demands the parts {', '.join(sorted(wanted.parts))}",
            expected=part,
            found=", ".join(sorted(test.strength)) or "no part",
            hint=_HINT,
        )
    said = Fields.of(test.strength[part], f"{test.name}.{part}")
    if said.values.get(NOT_APPLICABLE):
        return
    for what, expected, found in _weaknesses(part, said, wanted):
        raise refusal(
            f"the examination of {part} was too weak: {what}",
            subject=subject,
            rule="an examination is at least as hard as the pinned policy demands",
            expected=expected,
            found=found,
            hint=_HINT,
        )


def _weaknesses(part: str, said: Fields, wanted: Examination) -> Iterable[tuple[str, str, str]]:
    rows, of = _number(said, "rows"), _number(said, "of")
    least = min(wanted.min_rows, of) if of > 0 else wanted.min_rows
    if rows < max(least, 1):
        yield "too few rows", f"{max(least, 1):g} rows", f"{rows:g} of {of:g}"
    if part != ROBUSTNESS:
        return
    queries, radius = _number(said, "queries"), _number(said, "radius")
    if queries < wanted.min_queries:
        yield "too few calls of the model", f"{wanted.min_queries}", f"{queries:g}"
    if radius < wanted.min_radius or radius <= 0:
        yield "too small a radius", f"{wanted.min_radius:g}, above 0", f"{radius:g}"
    tried = set(_texts(said))
    if not wanted.attacks <= tried:
        yield (
            "attacks were left out",
            ", ".join(sorted(wanted.attacks)),
            ", ".join(sorted(tried)) or "none",
        )


def _number(said: Fields, key: str) -> float:
    """A number that is said; 0 where nothing is, because what is not said was not done."""
    value: Any = said.values.get(key, 0)
    if type(value) not in (int, float):
        raise ArtifactError(
            "an examination is malformed", subject=f"{said.where}.{key}", expected="a number"
        )
    return float(value)


def _texts(said: Fields) -> tuple[str, ...]:
    return said.texts("attacks") if "attacks" in said.values else ()
