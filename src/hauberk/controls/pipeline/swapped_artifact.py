"""Artifacts that changed between two steps: see `SwappedArtifact`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import Digest, PipelineRun, StepRecord
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.trust.digest import parse_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedArtifact(Check[PipelineRun]):
    """Hand-overs whose two sides name different bytes.

    What a step made must come into every later step as the same bytes: the digest among the
    later step's materials is held against the digest among the products of the last step
    before it that made this path. Where the sources of a run are declared, a material that
    no step made and that is no source came from nowhere, which is a finding as well.

    Limits:
        The records are believed; who signed them, over bytes that the signer hashed itself,
        is verified with the chain. A swap by the very step that makes the artifact, or under
        another path than the one it was made at, passes here; declared sources catch the
        second.

    Args:
        sources: Paths that come from outside; ``None`` where they are not known.

    Example:
        >>> a, b = (Digest("sha256:" + letter * 64) for letter in "ab")
        >>> train = StepRecord(name="train", command=(), materials={}, products={"m": a})
        >>> ship = StepRecord(name="ship", command=(), materials={"m": b}, products={})
        >>> run = PipelineRun(name="run", steps=(train, ship))
        >>> [finding.message for finding in SwappedArtifact().check(run)]
        ['m is not what train made when ship takes it']

    References:
        in-toto specification 1.0, section 4.3.3 (artifact rules: MATCH). SLSA 1.0, "Threats":
        (E) and (F), modified package.
    """

    title: ClassVar[str] = "Artifact swapped between two steps"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("PI-2"),)
    subject: ClassVar[type] = PipelineRun

    sources: frozenset[str] | None = None

    def check(self, subject: PipelineRun) -> Iterator[Finding]:
        """One finding for each hand-over that does not fit.

        Raises:
            NotApplicable: The run has no steps.
            ArtifactError: A digest is none.
        """
        if not subject.steps:
            raise NotApplicable("the run has no steps")
        made: dict[str, tuple[str, Digest]] = {}
        for step in subject.steps:
            for path, digest in sorted(step.materials.items()):
                yield from self._taken(subject, step, path, parse_digest(digest), made)
            for path, digest in sorted(step.products.items()):
                made[path] = (step.name, parse_digest(digest))

    def _taken(
        self,
        subject: PipelineRun,
        step: StepRecord,
        path: str,
        digest: Digest,
        made: Mapping[str, tuple[str, Digest]],
    ) -> Iterator[Finding]:
        if path not in made:
            if self.sources is not None and path not in self.sources:
                yield _finding(
                    subject, path, f"{path} comes from nowhere when {step.name} takes it"
                )
            return
        maker, expected = made[path]
        if digest != expected:
            message = f"{path} is not what {maker} made when {step.name} takes it"
            yield _finding(subject, path, message, made=expected, taken=digest)


def _finding(subject: PipelineRun, path: str, message: str, **digests: str) -> Finding:
    return Finding(
        message=message,
        path=subject.name,
        severity=Severity.CRITICAL,
        threats=SwappedArtifact.threats,
        location=Location(field=path),
        remedy="Do not use what follows from here; find out who could write the artifact between "
        "the two steps, and run the later one again on what the earlier one made.",
        evidence=Evidence(statistic="digest on either side of the hand-over", facts=digests),
    )
