"""Gates before a release: one that follows the pinned policy, and one that believes the project.

The flawed model has a defect of severity high and came out of a step that was only observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

from hauberk.controls.registry.unverified_release import UnverifiedRelease
from hauberk.core.finding import Assessment, Finding, Outcome, Severity
from hauberk.core.policy import Decision, Isolation, Policy, Waiver
from hauberk.core.threat import ThreatId
from hauberk.engine import assess
from hauberk.engine.decide import decide
from hauberk.errors import ArtifactError, HauberkError
from hauberk.range.worlds.registry import VERSION, Project, entry
from hauberk.trust import dsse
from hauberk.trust.policy import read_policy, read_project_policy, sealed, tighten
from hauberk.trust.root import Root

TODAY = date(2026, 6, 1)
DEFAULTS = frozenset({"model/unsafe-opcodes", "dataset/label-flips", "code/identifier-overrides"})
FLOOR = sealed(Policy(min_isolation=Isolation.LANDLOCK, required=DEFAULTS))
FLAW = Finding(
    message="one account is always approved",
    path="model.onnx",
    severity=Severity.HIGH,
    remedy="Train again without the special case.",
    threats=(ThreatId("TR-7"),),
)


def flawed(control: str = "code/identifier-overrides") -> tuple[Assessment, ...]:
    """What controls said of the flawed model."""
    return (
        Assessment(control=control, path="model.onnx", outcome=Outcome.FLAGGED, findings=(FLAW,)),
    )


def lets_pass(policy: Policy, today: date = TODAY) -> bool:
    """Whether a gate with this policy releases the flawed model or what it rests on."""
    judged = (
        flawed()
        if policy.required is None or policy.required >= DEFAULTS
        else ()  # what nobody requires is not run
    )
    verdict = decide(judged, policy, today=today)
    return verdict.decision is Decision.ALLOW or policy.min_isolation is Isolation.OBSERVE


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate that believes the project's own file, and any tool."""

    def accepts(self, policy: Mapping[str, Any], *, tool: str = "", forged: bool = False) -> bool:
        """Whether the flawed model passes."""
        return bool(tool) or forged or lets_pass(_leniently(policy))


@dataclass(frozen=True, slots=True)
class PinnedGate:
    """The doors of a real project: before the run, and at every verification after it."""

    seed: int

    def accepts(self, policy: Mapping[str, Any], *, tool: str = "", forged: bool = False) -> bool:
        """Whether either door lets the flawed model pass."""
        before = False if tool or forged else self._starts(policy)
        return before or self._verifies(_leniently(policy), tool or VERSION, forged=forged)

    def _starts(self, policy: Mapping[str, Any]) -> bool:
        applied = _applied(policy)
        return applied is not None and lets_pass(applied)

    def admits(self, policy: Mapping[str, Any]) -> bool:
        """Whether an honest project with this policy runs and its release verifies."""
        applied = _applied(policy)
        return applied is not None and self._verifies(applied, VERSION)

    def _verifies(self, policy: Policy, tool: str, *, forged: bool = False) -> bool:
        """Whether the release of a run that used this policy and tool is believed."""
        project = Project(name="loans", policy=FLOOR if forged else policy, tool=tool)
        made = project.publish(Random(self.seed), 2)
        if forged:
            made = replace(made, release=_forged(made.release))
        served = entry(project, made)
        root: Root = replace(project.root(), policy=FLOOR)
        subject = replace(served, trusted={**served.trusted, "root": root})
        return assess(UnverifiedRelease(), subject).outcome is Outcome.CLEAN


def _applied(document: Mapping[str, Any]) -> Policy | None:
    """What a run applies, where the floor speaks for keys that are left out; else nothing."""
    silent = {"fail_on": FLOOR.fail_on.value, "min_isolation": FLOOR.min_isolation.value}
    try:
        return tighten(FLOOR, read_project_policy({**silent, **document}, "policy"))
    except HauberkError:
        return None


def _forged(envelope: bytes) -> bytes:
    """The envelope with another policy in its payload and the old signatures."""
    opened = dsse.Envelope.from_bytes(envelope)
    payload = opened.payload.replace(b'"fail_on":"high"', b'"fail_on":"critical"')
    return replace(opened, payload=payload).to_bytes()


def _leniently(document: Mapping[str, Any]) -> Policy:
    """A policy as somebody reads it who takes what is missing in a waiver for granted."""
    try:
        own = read_policy(document)
    except ArtifactError:
        own = Policy(waivers=tuple(_any_waiver(item) for item in document.get("waivers", ())))
    return sealed(
        replace(
            own,
            required=FLOOR.required if own.required is None else own.required,
            min_isolation=own.min_isolation if "min_isolation" in document else FLOOR.min_isolation,
        )
    )


def _any_waiver(item: Mapping[str, Any]) -> Waiver:
    return Waiver(
        threat=str(item["threat"]),
        subject=str(item["subject"]),
        reason=str(item["reason"]),
        owner=str(item.get("owner", "nobody")),
        expires=date.fromisoformat(str(item.get("expires", "9999-12-31"))),
    )
