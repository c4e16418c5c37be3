"""Predicates: the things Hauberk signs, as nouns and in the field's formats.

=============  =============================================================  ===============
noun           predicate type                                                 signed for role
=============  =============================================================  ===============
`Step`         SLSA Provenance v1, build type ``urn:hauberk:step:v1``         lifecycle
`ModelTest`    in-toto Test Result v0.1                                       lifecycle
`Summary`      SLSA Verification Summary v1                                   lifecycle
`Release`      ``urn:hauberk:release:v1``                                     release
=============  =============================================================  ===============

Each noun has a function that spells it as a statement and one that reads it back; reading
is strict about our fields. ``docs/attestations.md`` documents every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.trust.digest import from_hex, hex_of
from hauberk.trust.fields import Fields, misfit, time_text
from hauberk.trust.policy import policy_document, read_policy, sealed
from hauberk.trust.statement import Statement, read_resources, resources, statement

PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
RELEASE = "urn:hauberk:release:v1"
DATA_VERSION = "urn:hauberk:data-version:v1"  # spelt and read by `trust.versions`
STEP_BUILD = "urn:hauberk:step:v1"
RUNNER = "urn:hauberk:runner:v1"
SLSA_VERSION = "1.2"
_ASSESSMENTS = "assessments"


class Result(StrEnum):
    """How a test ended, in the words of its predicate."""

    PASSED = "PASSED"
    WARNED = "WARNED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Under what a statement was made; every statement of ours says so.

    Attributes:
        run: Id of the run.
        sequence: Position in the run; grows with every statement of it.
        policy: What the gates demanded, with waivers already joined to the floor.
        tool_version: Version of Hauberk.
    """

    run: str
    sequence: int
    policy: Policy
    tool_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step took and made.

    Attributes:
        name: ``training``, or ``preprocessing.clean`` where a component has several steps.
        command: What was run; empty for steps that Hauberk does itself.
        materials: Name to digest of everything the step could read that has a digest.
        products: Path to digest of everything it handed on.
        isolation: Level reached, not the level asked for.
        evidence: How this came to be known.
        started: Seconds since the epoch.
        finished: Seconds since the epoch.
        assessments: Digest of what the controls said of inputs and outputs, if any ran.
        parameters: What else decided the result: configuration, seed, environment digests.
    """

    name: str
    component: Component
    command: tuple[str, ...]
    materials: Mapping[str, Digest]
    products: Mapping[str, Digest]
    isolation: Isolation
    evidence: EvidenceMode
    circumstances: Circumstances
    started: float
    finished: float
    assessments: Digest | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTest:
    """How a model did in one examination.

    Attributes:
        name: ``validation``, ``validation.fairness`` ...
        model: Path of the model as the chain knows it.
        digest: The model's digest.
        data: Name to digest of the sealed sets it was examined on.
        passed: Names of tests, likewise ``warned`` and ``failed``.
        metrics: Name to value.
        isolation: Level at which the model was run.
        evidence: How this came to be known.
        intervals: Name of a metric to its one-sided 95 % bounds.
        strength: Part of the examination to how hard it was: attacks, radius, rows, queries.
            A part that cannot be gone through says why under ``not_applicable``.
        at: Seconds since the epoch when it was examined; ``None`` where nobody says.
    """

    name: str
    model: str
    digest: Digest
    data: Mapping[str, Digest]
    result: Result
    circumstances: Circumstances
    isolation: Isolation
    evidence: EvidenceMode
    passed: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    strength: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The verdict of a gate on a set of statements.

    Attributes:
        subjects: What was judged.
        passed: Whether the gate opened.
        resource: Location or name of what was judged, as a URI.
        verified: Digests of the statements that were looked at.
        levels: SLSA and own levels reached.
        at: Seconds since the epoch.
    """

    subjects: Mapping[str, Digest]
    passed: bool
    resource: str
    verified: tuple[Digest, ...]
    levels: tuple[str, ...]
    circumstances: Circumstances
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One statement that a release rests on: its name and the digest of its signed bytes."""

    name: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes that no step of the chain made.

    Attributes:
        name: Path inside the project, or a location.
        kept: Whether a copy is held, so that verification re-hashes it.
    """

    name: str
    digest: Digest
    kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What is handed on, with everything it rests on.

    Attributes:
        project: Name of the project, as roots of trust name it.
        version: Version of the release, for people.
        sequence: Grows with every release of the project; what version floors hold.
        channel: Where it goes; runs publish to ``staging`` only.
        model: Path of the model, one of ``files``.
        files: Path to digest of everything released.
        steps: The chain in order.
        tests: The examinations of the model.
        sources: Everything that no step made.
        created: Seconds since the epoch.
    """

    project: str
    version: str
    sequence: int
    channel: str
    model: str
    files: Mapping[str, Digest]
    steps: tuple[Named, ...]
    tests: tuple[Named, ...]
    sources: tuple[Source, ...]
    circumstances: Circumstances
    created: float


# Steps -------------------------------------------------------------------------------


def step_statement(step: Step) -> bytes:
    """A step as SLSA Provenance v1."""
    byproducts = {_ASSESSMENTS: step.assessments} if step.assessments else {}
    definition = {
        "buildType": STEP_BUILD,
        "externalParameters": {
            "command": list(step.command),
            "component": step.component.value,
            "parameters": step.parameters,
            "step": step.name,
        },
        "internalParameters": _circumstances(step.circumstances)
        | {"evidence": step.evidence.value, "isolation": step.isolation.value},
        "resolvedDependencies": resources(step.materials),
    }
    details = {
        "builder": _builder(step.circumstances),
        "byproducts": resources(byproducts),
        "metadata": {
            "finishedOn": time_text(step.finished),
            "invocationId": step.circumstances.run,
            "startedOn": time_text(step.started),
        },
    }
    predicate = {"buildDefinition": definition, "runDetails": details}
    return statement(step.products, PROVENANCE, predicate)


def read_step(said: Statement) -> Step:
    """The step that a statement speaks of.

    Raises:
        ArtifactError: It speaks of something else, or is malformed.
    """
    top = _predicate(said, PROVENANCE).only("buildDefinition", "runDetails")
    definition, details = top.object("buildDefinition"), top.object("runDetails")
    definition.only("buildType", "externalParameters", "internalParameters", "resolvedDependencies")
    details.only("builder", "byproducts", "metadata")
    if definition.text("buildType") != STEP_BUILD:
        raise misfit("buildType", STEP_BUILD, definition.text("buildType"))
    outside = definition.object("externalParameters")
    outside.only("command", "component", "parameters", "step")
    inside = definition.object("internalParameters")
    times = details.object("metadata").only("finishedOn", "invocationId", "startedOn")
    if times.text("invocationId") != inside.text("run"):
        raise misfit("metadata.invocationId", inside.text("run"), times.text("invocationId"))
    return Step(
        name=outside.text("step"),
        component=outside.choice("component", Component),
        command=outside.texts("command"),
        materials=read_resources(definition, "resolvedDependencies"),
        products=said.subjects,
        isolation=inside.choice("isolation", Isolation),
        evidence=inside.choice("evidence", EvidenceMode),
        circumstances=_read_circumstances(inside, details.object("builder")),
        started=times.time("startedOn"),
        finished=times.time("finishedOn"),
        assessments=_read_assessments(details),
        parameters=outside.object("parameters").values,
    )


def _read_assessments(details: Fields) -> Digest | None:
    byproducts = read_resources(details, "byproducts")
    if byproducts.keys() - {_ASSESSMENTS}:
        raise misfit(f"{details.where}.byproducts", _ASSESSMENTS, ", ".join(sorted(byproducts)))
    return byproducts.get(_ASSESSMENTS)


# Tests -------------------------------------------------------------------------------


def model_test_statement(test: ModelTest) -> bytes:
    """An examination as in-toto Test Result v0.1, with our fields under ``hauberk_``."""
    predicate: dict[str, Any] = {
        "configuration": resources(test.data),
        "failedTests": list(test.failed),
        "hauberk_metrics": test.metrics,
        "hauberk_run": _circumstances(test.circumstances)
        | {
            "builder": _builder(test.circumstances),
            "evidence": test.evidence.value,
            "isolation": test.isolation.value,
            "test": test.name,
        },
        "passedTests": list(test.passed),
        "result": test.result.value,
        "warnedTests": list(test.warned),
    }
    if test.at is not None:
        predicate["hauberk_examination"] = {
            "at": time_text(test.at),
            "intervals": {name: list(bounds) for name, bounds in test.intervals.items()},
            "strength": {name: dict(part) for name, part in test.strength.items()},
        }
    return statement({test.model: test.digest}, TEST_RESULT, predicate)


def read_model_test(said: Statement) -> ModelTest:
    """The examination that a statement speaks of.

    Raises:
        ArtifactError: It speaks of something else, of several models, or is malformed.
    """
    top = _predicate(said, TEST_RESULT)
    inside = top.object("hauberk_run")
    if len(said.subjects) != 1:
        raise misfit("statement.subject", "one model", len(said.subjects))
    [(model, digest)] = said.subjects.items()
    metrics = top.object("hauberk_metrics")
    how = _read_examination(top)
    return ModelTest(
        name=inside.text("test"),
        model=model,
        digest=digest,
        data=read_resources(top, "configuration"),
        result=top.choice("result", Result),
        circumstances=_read_circumstances(inside, inside.object("builder")),
        isolation=inside.choice("isolation", Isolation),
        evidence=inside.choice("evidence", EvidenceMode),
        passed=top.texts("passedTests"),
        warned=top.texts("warnedTests"),
        failed=top.texts("failedTests"),
        metrics={name: metrics.get(name, (int, float), "a number") for name in metrics.values},
        intervals=how.intervals,
        strength=how.strength,
        at=how.at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    strength: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    at: float | None = None


def _read_examination(top: Fields) -> _How:
    if "hauberk_examination" not in top.values:
        return _How()
    how = top.object("hauberk_examination").only("at", "intervals", "strength")
    bounds, parts = how.object("intervals"), how.object("strength")
    return _How(
        intervals={name: _read_bounds(bounds, name) for name in bounds.values},
        strength={name: parts.object(name).values for name in parts.values},
        at=how.time("at"),
    )


def _read_bounds(fields: Fields, name: str) -> tuple[float, float]:
    found = fields.get(name, list, "two numbers")
    if len(found) != 2 or any(type(item) not in (int, float) for item in found):  # noqa: PLR2004 - low and high
        raise misfit(f"{fields.where}.{name}", "two numbers", found)
    return float(found[0]), float(found[1])


# Summaries ---------------------------------------------------------------------------


def summary_statement(summary: Summary) -> bytes:
    """A gate's verdict as SLSA Verification Summary v1."""
    policy = sealed(summary.circumstances.policy)
    predicate = {
        "hauberk_run": _circumstances(summary.circumstances),
        "inputAttestations": [
            {"digest": {"sha256": hex_of(digest)}} for digest in summary.verified
        ],
        "policy": {
            "digest": {"sha256": hex_of(Digest(policy.digest))},
            "uri": "urn:hauberk:policy",
        },
        "resourceUri": summary.resource,
        "slsaVersion": SLSA_VERSION,
        "timeVerified": time_text(summary.at),
        "verificationResult": "PASSED" if summary.passed else "FAILED",
        "verifiedLevels": list(summary.levels),
        "verifier": _builder(summary.circumstances),
    }
    return statement(summary.subjects, SUMMARY, predicate)


def read_summary(said: Statement) -> Summary:
    """The verdict that a statement speaks of.

    Raises:
        ArtifactError: It speaks of something else, or is malformed.
    """
    top = _predicate(said, SUMMARY)
    result = top.text("verificationResult")
    if result not in {"PASSED", "FAILED"}:
        raise misfit("verificationResult", "PASSED or FAILED", result)
    return Summary(
        subjects=said.subjects,
        passed=result == "PASSED",
        resource=top.text("resourceUri"),
        verified=tuple(
            from_hex(Fields.of(item, where).object("digest").text("sha256"))
            for where, item in top.items("inputAttestations")
        ),
        levels=top.texts("verifiedLevels"),
        circumstances=_read_circumstances(top.object("hauberk_run"), top.object("verifier")),
        at=top.time("timeVerified"),
    )


# Releases ----------------------------------------------------------------------------


def release_statement(release: Release) -> bytes:
    """A release in our own predicate."""
    predicate = {
        "builder": _builder(release.circumstances),
        "channel": release.channel,
        "circumstances": _circumstances(release.circumstances),
        "created": time_text(release.created),
        "model": release.model,
        "project": release.project,
        "sequence": release.sequence,
        "sources": [
            {"digest": one.digest, "kept": one.kept, "name": one.name}
            for one in sorted(release.sources, key=lambda one: one.name)
        ],
        "steps": [{"digest": one.digest, "name": one.name} for one in release.steps],
        "tests": [{"digest": one.digest, "name": one.name} for one in release.tests],
        "version": release.version,
    }
    return statement(release.files, RELEASE, predicate)


_RELEASE_KEYS = (
    "builder",
    "channel",
    "circumstances",
    "created",
    "model",
    "project",
    "sequence",
    "sources",
    "steps",
    "tests",
    "version",
)


def read_release(said: Statement) -> Release:
    """The release that a statement speaks of.

    Raises:
        ArtifactError: It speaks of something else, or is malformed.
    """
    top = _predicate(said, RELEASE).only(*_RELEASE_KEYS)
    return Release(
        project=top.text("project"),
        version=top.text("version"),
        sequence=top.count("sequence"),
        channel=top.text("channel"),
        model=top.text("model"),
        files=said.subjects,
        steps=_read_named(top, "steps"),
        tests=_read_named(top, "tests"),
        sources=tuple(_read_source(item, where) for where, item in top.items("sources")),
        circumstances=_read_circumstances(top.object("circumstances"), top.object("builder")),
        created=top.time("created"),
    )


def _read_named(fields: Fields, key: str) -> tuple[Named, ...]:
    rows = [Fields.of(item, where).only("digest", "name") for where, item in fields.items(key)]
    return tuple(Named(name=row.text("name"), digest=row.digest("digest")) for row in rows)


def _read_source(item: Any, where: str) -> Source:
    row = Fields.of(item, where).only("digest", "kept", "name")
    return Source(name=row.text("name"), digest=row.digest("digest"), kept=row.flag("kept"))


# Shared parts ------------------------------------------------------------------------


def _predicate(said: Statement, expected: str) -> Fields:
    if said.predicate_type != expected:
        raise misfit("predicateType", expected, said.predicate_type)
    return Fields.of(said.predicate, "predicate")


def _circumstances(known: Circumstances) -> dict[str, Any]:
    policy = sealed(known.policy)
    return {
        "policy": {"digest": policy.digest, "document": policy_document(policy)},
        "run": known.run,
        "sequence": known.sequence,
    }


def _builder(known: Circumstances) -> dict[str, Any]:
    return {"id": RUNNER, "version": {"hauberk": known.tool_version}}


def _read_circumstances(fields: Fields, builder: Fields) -> Circumstances:
    """Also holds the policy against the digest that stands beside it."""
    stated = fields.object("policy").only("digest", "document")
    policy = read_policy(stated.values.get("document"), f"{stated.where}.document")
    if stated.digest("digest") != policy.digest:
        raise misfit(f"{stated.where}.digest", policy.digest, stated.digest("digest"))
    if builder.text("id") != RUNNER:
        raise misfit(f"{builder.where}.id", RUNNER, builder.text("id"))
    return Circumstances(
        run=fields.text("run"),
        sequence=fields.count("sequence"),
        policy=policy,
        tool_version=builder.object("version").text("hauberk"),
    )
