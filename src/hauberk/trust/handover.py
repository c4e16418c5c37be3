"""Hand-overs: what each step of a chain took is what an earlier step made, down to the bytes.

Rules 9 to 12 of `hauberk.trust.chain`, over statements whose signatures have been verified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.digest import check
from hauberk.trust.places import Place, held
from hauberk.trust.predicates import TEST_RESULT, ModelTest, Release, Result, Step


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What exists at a point of a chain.

    Attributes:
        sources: Name to digest of what no step made.
        products: Path to digest of what steps have made so far, the latest of each path.
    """

    sources: Mapping[str, Digest]
    products: dict[str, Digest] = field(default_factory=dict)

    def digest(self, name: str) -> Digest | None:
        """The latest digest of a name, ``None`` where nothing has it."""
        return self.products.get(name) or self.sources.get(name)


def follow(steps: Sequence[Step], made: Release, known: Mapping[str, Digest]) -> Ledger:
    """Rule 9: walk the steps in order; what they leave is the ledger.

    Args:
        steps: In the order of the chain.
        made: The release, which names the sources.
        known: Sources whose digests are known beforehand.

    Raises:
        TrustError: A material comes from nowhere, or a source is not the known one.
        ArtifactError: The release names a source twice.
    """
    ledger = Ledger(sources=_sources(made, known))
    for step in steps:
        for name, digest in step.materials.items():
            _check_known(f"material {name} of {step.name}", name, digest, ledger)
        ledger.products.update(step.products)
    return ledger


def _sources(made: Release, known: Mapping[str, Digest]) -> dict[str, Digest]:
    sources = {source.name: source.digest for source in made.sources}
    if len(sources) != len(made.sources):
        raise ArtifactError("the release names a source twice", subject="release.sources")
    for name, digest in known.items():
        check(
            sources.get(name, digest),
            digest,
            subject=f"source {name}",
            hint="the root of trust knows this source with other bytes",
        )
    return sources


def _check_known(subject: str, name: str, digest: Digest, ledger: Ledger) -> None:
    known = ledger.digest(name)
    if known != digest:
        raise refusal(
            f"{subject} does not come from the chain",
            subject=subject,
            rule="a step takes what an earlier step made, or a source that the release names",
            expected=known or "a product or source of that name",
            found=digest,
            hint="something was exchanged between two steps; run the lifecycle again",
        )


def check_released(made: Release, ledger: Ledger) -> None:
    """Rule 10: what is released is what was made last.

    Raises:
        TrustError: It is not.
    """
    for name, digest in made.files.items():
        found = ledger.products.get(name)
        if found != digest:
            raise refusal(
                f"the released {name} is no product of the chain",
                subject=name,
                rule="a release hands on what the last step to write it made",
                expected=found or "a product of that name",
                found=digest,
                hint="the file was swapped after its step; release the step's product",
            )
    if made.model not in made.files:
        raise refusal(
            "the release's model is not among its files",
            subject="release.model",
            rule="the model is one of the released files",
            expected=", ".join(sorted(made.files))[:200],
            found=made.model,
            hint="publish the release again",
        )


def check_tests(made: Release, tests: Sequence[ModelTest], ledger: Ledger) -> None:
    """Rule 11: the released model was examined, on sets of the chain, and failed nothing.

    Raises:
        TrustError: It was not.
    """
    if not tests:
        raise refusal(
            "nobody examined the released model",
            subject=made.model,
            rule="a release rests on at least one test of its model",
            expected=f"a statement of type {TEST_RESULT}",
            found="none",
            hint="run validation before releasing",
        )
    for test in tests:
        if (test.model, test.digest) != (made.model, made.files[made.model]):
            raise refusal(
                f"{test.name} examined another model",
                subject=test.name,
                rule="the tested model is the released one",
                expected=f"{made.model} {made.files[made.model]}",
                found=f"{test.model} {test.digest}",
                hint="run validation on the model that is released",
            )
        if not test.data:
            raise refusal(
                f"{test.name} names no set",
                subject=test.name,
                rule="a test names the sealed sets that the model was examined on",
                expected="at least one set with its digest",
                found="none",
                hint="run validation on a sealed set",
            )
        if test.result is Result.FAILED or test.failed:
            raise refusal(
                f"the model failed {test.name}",
                subject=test.name,
                rule="a released model failed no test",
                expected=Result.PASSED.value,
                found=", ".join(test.failed) or test.result.value,
                hint="train a better model, or change the demands by a person who may",
            )
        for name, digest in test.data.items():
            _check_known(f"set {name} of {test.name}", name, digest, ledger)


def rehash(
    made: Release,
    steps: Sequence[Step],
    ledger: Ledger,
    places: Sequence[Place],
    *,
    whole: bool = True,
) -> dict[str, tuple[str, ...]]:
    """Rule 12: hash the bytes again wherever they are held.

    Args:
        made: The release.
        steps: Its steps, whose control results are looked for too.
        ledger: Latest products of the chain.
        places: Where to look.
        whole: Refuse where no place holds something; else only what is released must be held.

    Returns:
        Name to the places that hold it.

    Raises:
        TrustError: A place holds other bytes, or none holds them.
        ArtifactError: A place holds something that is no file or folder.
    """
    kept = {source.name: source.digest for source in made.sources if source.kept}
    wanted = kept | ledger.products
    for step in steps:
        if step.assessments:
            wanted[f"control results of {step.name}"] = step.assessments
    return {
        name: labels
        for name, digest in sorted(wanted.items())
        if (labels := _held(name, digest, places, required=whole or name in made.files))
    }


def _held(
    name: str, expected: Digest, places: Sequence[Place], *, required: bool
) -> tuple[str, ...]:
    found = held(places, name, expected)
    for label, digest in found:
        check(digest, expected, subject=f"{name} in the {label}")
    if not found and required:
        raise refusal(
            f"{name} is missing",
            subject=name,
            rule="the bytes of the chain are held somewhere",
            expected=expected,
            found=f"nothing in the {', '.join(place.label for place in places) or 'places given'}",
            hint="restore it, or run the step that makes it again",
        )
    return tuple(label for label, _ in found)


def refusal(
    message: str, *, subject: str, rule: str, expected: str, found: str, hint: str
) -> TrustError:
    """The error for a chain that breaks a rule, with all five parts."""
    return TrustError(
        message, subject=subject, rule=rule, expected=expected, found=found, hint=hint
    )
