"""A small honest chain in a folder, made of parts that tests exchange before it is signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hauberk.core.lifecycle import Component
from hauberk.core.policy import EvidenceMode, Isolation, Policy
from hauberk.trust import dsse
from hauberk.trust.chain import VerifiedChain, verify_chain
from hauberk.trust.digest import digest_bytes, digest_path
from hauberk.trust.keys import KeyPair, Label, Role, generate
from hauberk.trust.places import FolderPlace
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

LABEL = Label(machine="m1", custodian="ada")
POLICY = sealed(Policy(min_isolation=Isolation.LANDLOCK))
FILES = {
    "data/raw.csv": b"age,approve\n30,1\n40,0\n",
    "data/landed.csv": b"age,approve\n30,1\n40,0\n",
    "prepared/train.csv": b"30,1\n",
    "prepared/test.csv": b"40,0\n",
    "plots/one.svg": b"<svg/>",
    "model.onnx": b"weights",
    "metrics.json": b'{"roc_auc":0.9}',
    "store/assessments.json": b'{"outcome":"clean"}',
}
STEPS = (
    ("acquisition", Component.ACQUISITION, ("data/raw.csv",), ("data/landed.csv",)),
    (
        "preparation",
        Component.PREPARATION,
        ("data/landed.csv",),
        ("prepared/test.csv", "prepared/train.csv"),
    ),
    (
        "training",
        Component.TRAINING,
        ("prepared/train.csv",),
        ("metrics.json", "model.onnx", "plots/"),
    ),
)
REQUIRED = tuple(name for name, *_ in STEPS)


def envelope(payload: bytes, *signers: KeyPair) -> bytes:
    return dsse.sign(payload, PAYLOAD_TYPE, signers).to_bytes()


def root_of(lifecycle: KeyPair, release: KeyPair, **changes: object) -> Root:
    def role(pair: KeyPair) -> RoleKeys:
        return RoleKeys(threshold=1, keys=(TrustedKey(public=pair.public, label=LABEL),))

    roles = {Role.LIFECYCLE: role(lifecycle), Role.RELEASE: role(release)}
    root = Root(project="loans", roles=roles, policy=POLICY, tool_floor="0.1.0", release_floor=3)
    return replace(root, **changes)  # type: ignore[arg-type]


@dataclass(kw_only=True)
class World:
    """Tests change the parts, then `verify`; `signed` makes the envelopes of what is there."""

    folder: Path
    lifecycle: KeyPair = field(default_factory=generate)
    release_key: KeyPair = field(default_factory=generate)
    steps: list[Step] = field(default_factory=list)
    tests: list[ModelTest] = field(default_factory=list)
    change_release: Callable[[Release], Release] = lambda release: release

    @classmethod
    def honest(cls, folder: Path) -> World:
        for path, data in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        world = cls(folder=folder)
        for sequence, (name, component, materials, products) in enumerate(STEPS):
            world.steps.append(world.step(name, component, materials, products, sequence))
        world.tests.append(world.test(len(STEPS)))
        return world

    def circumstances(self, sequence: int) -> Circumstances:
        return Circumstances(run="run-7", sequence=sequence, policy=POLICY, tool_version="0.1.0")

    def digests(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: digest_path(self.folder / name) for name in names}

    def step(self, name, component, materials, products, sequence) -> Step:
        return Step(
            name=name,
            component=component,
            command=("python", f"steps/{name}.py"),
            materials=self.digests(materials),
            products=self.digests(products),
            isolation=Isolation.FULL,
            evidence=EvidenceMode.ISOLATED,
            circumstances=self.circumstances(sequence),
            started=1_000_000.5,
            finished=1_000_001.25,
            assessments=digest_path(self.folder / "store/assessments.json"),
            parameters={"seed": 7},
        )

    def test(self, sequence: int) -> ModelTest:
        return ModelTest(
            name="validation",
            model="model.onnx",
            digest=digest_path(self.folder / "model.onnx"),
            data=self.digests(("prepared/test.csv",)),
            result=Result.PASSED,
            circumstances=self.circumstances(sequence),
            isolation=Isolation.FULL,
            evidence=EvidenceMode.ISOLATED,
            passed=("roc_auc >= 0.75",),
            metrics={"roc_auc": 0.9},
        )

    def release(self) -> Release:
        def named(payload: bytes, name: str) -> Named:
            return Named(name=name, digest=digest_bytes(payload))

        release = Release(
            project="loans",
            version="1.0",
            sequence=3,
            channel="staging",
            model="model.onnx",
            files=self.digests(("model.onnx",)),
            steps=tuple(named(step_statement(step), step.name) for step in self.steps),
            tests=tuple(named(model_test_statement(test), test.name) for test in self.tests),
            sources=(
                Source(name="data/raw.csv", digest=digest_path(self.folder / "data/raw.csv")),
            ),
            circumstances=self.circumstances(10),
            created=1_000_009.0,
        )
        return self.change_release(release)

    def statements(self) -> list[bytes]:
        payloads = [step_statement(step) for step in self.steps]
        payloads += [model_test_statement(test) for test in self.tests]
        return [envelope(payload, self.lifecycle) for payload in payloads]

    def signed(self) -> tuple[bytes, list[bytes]]:
        return envelope(release_statement(self.release()), self.release_key), self.statements()

    def root(self, **changes: object) -> Root:
        return root_of(self.lifecycle, self.release_key, **changes)

    def places(self) -> list[FolderPlace | Held]:
        return [FolderPlace(root=self.folder), Held(folder=self.folder / "store")]

    def verify(self, *, root: Root | None = None, release=None, statements=None) -> VerifiedChain:
        if release is None:
            release = envelope(release_statement(self.release()), self.release_key)
        return verify_chain(
            release=release,
            statements=self.statements() if statements is None else statements,
            places=self.places(),
            root=root or self.root(),
            required=REQUIRED,
        )


@dataclass(frozen=True, kw_only=True)
class Held:
    """Control results, which have no path of their own, in a folder."""

    folder: Path
    label: str = "store"

    def digest(self, name: str, expected: str) -> str | None:
        is_result = name.startswith("control results")
        return digest_path(self.folder / "assessments.json") if is_result else None
