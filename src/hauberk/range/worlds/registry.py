"""A small registry in memory: projects with genuine, signed releases, and their owners' keys.

Everything is as the lifecycle publishes it, only smaller: a chain of four steps, an
examination of the model, a release signed by two owners. Attackers hold the store and, as
the threat says, at most one of the keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hauberk.core.artifact import Digest, RegistryEntry
from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.errors import UnavailableError
from hauberk.trust import dsse
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import KeyPair, Label, Role, generate
from hauberk.trust.policy import sealed
from hauberk.trust.predicates import (
    Circumstances,
    ModelTest,
    Named,
    Release,
    Result,
    Source,
    Step,
    model_test_statement,
    release_statement,
    step_statement,
)
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import Root
from hauberk.trust.statement import PAYLOAD_TYPE

MODEL = "model.onnx"
REQUIRED = ("acquisition", "preparation", "training")
POLICY = sealed(Policy(min_isolation=Isolation.LANDLOCK))
VERSION = "0.1.0"
EXAMINED = 2.5
"""When the models were examined; releases here are of 1970."""

STRENGTH: Mapping[str, Any] = {
    "attacks": ["corners", "noise", "search"],
    "norm": "linf",
    "of": 400,
    "queries": 40,
    "radius": 0.1,
    "rows": 300,
    "unit": "spread of each feature",
}
"""How hard the models were examined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One genuine release with everything it rests on."""

    release: bytes
    statements: tuple[bytes, ...]
    blobs: Mapping[Digest, bytes]
    sequence: int


@dataclass(slots=True, kw_only=True)
class Project:
    """A project with its owners' keys.

    Attributes:
        owners: Keys of two persons; a release needs both.
        policy: What its runs applied.
        tool: Version of Hauberk that its runs used.
    """

    name: str
    lifecycle: KeyPair = field(default_factory=generate)
    owners: tuple[KeyPair, KeyPair] = field(default_factory=lambda: (generate(), generate()))
    policy: Policy = POLICY
    tool: str = VERSION

    def root(self) -> Root:
        """What clients of the project pinned."""
        return Root(
            project=self.name,
            roles={
                Role.LIFECYCLE: _role(1, self.lifecycle),
                Role.RELEASE: _role(2, *self.owners),
            },
            policy=POLICY,
            tool_floor=VERSION,
        )

    def publish(
        self,
        rng: Random,
        sequence: int,
        channel: str = "production",
        *,
        examined: Callable[[ModelTest], ModelTest] = lambda test: test,
        signed: Callable[[bytes], bytes] | None = None,
    ) -> Published:
        """A genuine release of a model made of random bytes.

        Args:
            rng: Makes the bytes.
            sequence: Number of the release.
            channel: Where it goes.
            examined: What somebody makes of the model's examination before it is signed.
            signed: Who signs the examination; the lifecycle by default.
        """
        files = {
            "data/raw.csv": rng.randbytes(64),
            "data/landed.csv": rng.randbytes(64),
            "train.csv": rng.randbytes(48),
            "test.csv": rng.randbytes(48),
            MODEL: rng.randbytes(96),
        }
        digests = {name: digest_bytes(data) for name, data in files.items()}
        steps, test = self._statements(digests, sequence)
        tests = [("validation", model_test_statement(examined(test)))]
        release = release_statement(self._release(digests, steps, tests, sequence, channel))
        statements = (
            *(self.sign(payload) for _, payload in steps),
            *((signed or self.sign)(payload) for _, payload in tests),
        )
        held = (*files.values(), *statements)
        return Published(
            release=dsse.sign(release, PAYLOAD_TYPE, self.owners).to_bytes(),
            statements=statements,
            blobs={digest_bytes(data): data for data in held},
            sequence=sequence,
        )

    def sign(self, payload: bytes) -> bytes:
        """A statement signed by the lifecycle's key."""
        return dsse.sign(payload, PAYLOAD_TYPE, [self.lifecycle]).to_bytes()

    def _circumstances(self, sequence: int, place: int) -> Circumstances:
        return Circumstances(
            run=f"run-{sequence}", sequence=place, policy=self.policy, tool_version=self.tool
        )

    def _statements(
        self, digests: Mapping[str, Digest], sequence: int
    ) -> tuple[list[tuple[str, bytes]], ModelTest]:
        plan = (
            ("acquisition", Component.ACQUISITION, ["data/raw.csv"], ["data/landed.csv"]),
            (
                "preparation",
                Component.PREPARATION,
                ["data/landed.csv"],
                ["test.csv", "train.csv"],
            ),
            ("training", Component.TRAINING, ["train.csv"], [MODEL]),
        )
        steps = [
            (
                name,
                step_statement(
                    Step(
                        name=name,
                        component=component,
                        command=("python", f"{name}.py"),
                        materials={path: digests[path] for path in materials},
                        products={path: digests[path] for path in products},
                        isolation=Isolation.FULL,
                        evidence=EvidenceMode.ISOLATED,
                        circumstances=self._circumstances(sequence, place),
                        started=1.0,
                        finished=2.0,
                    )
                ),
            )
            for place, (name, component, materials, products) in enumerate(plan)
        ]
        test = ModelTest(
            name="validation",
            model=MODEL,
            digest=digests[MODEL],
            data={"test.csv": digests["test.csv"]},
            result=Result.PASSED,
            circumstances=self._circumstances(sequence, len(plan)),
            isolation=Isolation.FULL,
            evidence=EvidenceMode.ISOLATED,
            passed=("roc_auc >= 0.75",),
            metrics={"roc_auc": 0.9, "robust_accuracy@0.1": 0.7},
            intervals={"robust_accuracy@0.1": (0.65, 0.75)},
            strength={"robustness": dict(STRENGTH)},
            at=EXAMINED,
        )
        return steps, test

    def _release(
        self,
        digests: Mapping[str, Digest],
        steps: list[tuple[str, bytes]],
        tests: list[tuple[str, bytes]],
        sequence: int,
        channel: str,
    ) -> Release:
        return Release(
            project=self.name,
            version=str(sequence),
            sequence=sequence,
            channel=channel,
            model=MODEL,
            files={MODEL: digests[MODEL]},
            steps=tuple(Named(name=n, digest=digest_bytes(p)) for n, p in steps),
            tests=tuple(Named(name=n, digest=digest_bytes(p)) for n, p in tests),
            sources=(Source(name="data/raw.csv", digest=digests["data/raw.csv"]),),
            circumstances=self._circumstances(sequence, 9),
            created=3.0,
        )


def entry(
    project: Project,
    served: Published,
    *,
    channel: str = "production",
    seen: int = 0,
    others: Mapping[str, Published] | None = None,
) -> RegistryEntry:
    """The registry's answer to a client of ``project``.

    Args:
        served: What the channel's name points at.
        seen: Number of the newest release that the client has seen.
        others: Further releases in the same store, by a name that attackers may read.
    """
    return RegistryEntry(
        name=project.name,
        version=str(served.sequence),
        channel=channel,
        read=reader(served, others or {}),
        trusted={
            "root": project.root(),
            "required": REQUIRED,
            "sequence": seen,
            "now": EXAMINED + 1,
        },
    )


def reader(served: Published, others: Mapping[str, Published]) -> Callable[[str], bytes]:
    """Opens bytes of the registry by path."""
    blobs = dict(served.blobs)
    files = {"release": served.release, "statements": _index(served)}
    for name, other in others.items():
        blobs.update(other.blobs)
        files[f"others/{name}/release"] = other.release
        files[f"others/{name}/statements"] = _index(other)

    def read(path: str) -> bytes:
        kind, _, digest = path.partition("/")
        found = blobs.get(Digest(digest)) if kind == "blobs" else files.get(path)
        if found is None:
            raise UnavailableError("the registry has no such file", subject=path)
        return found

    return read


def _index(published: Published) -> bytes:
    return json.dumps([digest_bytes(item) for item in published.statements]).encode()


def _role(threshold: int, *pairs: KeyPair) -> RoleKeys:
    keys = tuple(
        TrustedKey(public=pair.public, label=Label(machine=f"m{n}", custodian=f"person {n}"))
        for n, pair in enumerate(pairs)
    )
    return RoleKeys(threshold=threshold, keys=keys)
