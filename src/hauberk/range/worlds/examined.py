"""A project whose insider decides how its models are examined, and two gates to production."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from hauberk.controls.registry.skipped_examination import SkippedExamination
from hauberk.core.artifact import RegistryEntry
from hauberk.core.finding import Outcome
from hauberk.engine.assess import assess
from hauberk.range.worlds.registry import STRENGTH, Project, Published, entry
from hauberk.trust.digest import digest_bytes
from hauberk.trust.predicates import ModelTest

NOW = 1_800_000_000.0


@dataclass(slots=True, kw_only=True)
class Examined:
    """The runner signs whatever the configuration asks for, and two owners sign the release.

    Attributes:
        guarded: Whether the gate asks what the examination says; without that, a release with
            some passing test of some model in it is enough.
    """

    guarded: bool
    rng: Random
    project: Project = field(default_factory=lambda: Project(name="loans"))
    _served: Published | None = None

    def examined(
        self, *, strength: Mapping[str, Any] | None, age_s: float | None = None, of: str = ""
    ) -> None:
        """Release a model with an examination."""
        other = Project(name="other")
        self._served = self.project.publish(
            self.rng,
            2,
            examined=lambda test: _changed(test, strength, age_s, of, self.rng),
            signed=other.sign if of == "signer" else None,
        )
        if of == "release":
            self._served = _borrowed(self._served, self.project.publish(self.rng, 1))

    def promote(self) -> bool:
        """Whether the release reaches production."""
        subject = self.entry()
        if not self.guarded:
            return _passes_somewhere(subject)
        return assess(SkippedExamination(), subject).outcome is Outcome.CLEAN

    def entry(self) -> RegistryEntry:
        """What the gate looks at."""
        served = self._served or self.project.publish(self.rng, 2)
        found = entry(self.project, served, seen=2)
        return replace(found, trusted={**found.trusted, "now": NOW})


def _changed(
    test: ModelTest, strength: Mapping[str, Any] | None, age_s: float | None, of: str, rng: Random
) -> ModelTest:
    parts = {} if strength is None else {"robustness": {**STRENGTH, **strength}}
    changed = replace(test, strength=parts, at=None if age_s is None else NOW - age_s)
    if of == "model":
        return replace(changed, digest=digest_bytes(rng.randbytes(8)))
    if of == "rows":
        return replace(changed, data={"test.csv": digest_bytes(rng.randbytes(8))})
    return changed


def _borrowed(served: Published, older: Published) -> Published:
    """The release with the examination of an older one in place of its own."""
    statements = (*served.statements[:-1], older.statements[-1])
    blobs = {**served.blobs, digest_bytes(older.statements[-1]): older.statements[-1]}
    return replace(served, statements=statements, blobs=blobs)


def _passes_somewhere(subject: RegistryEntry) -> bool:
    """What a gate does that looks for a passing test and no further."""
    import base64

    index = json.loads(subject.read("statements"))
    said = [json.loads(subject.read(f"blobs/{item}"))["payload"] for item in index]
    results = [json.loads(base64.b64decode(text))["predicate"].get("result") for text in said]
    return "PASSED" in results
