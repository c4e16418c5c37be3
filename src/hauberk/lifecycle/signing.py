"""What a run signs, with whose keys, and how far that can be believed.

The runner holds no private key: a signer process of its own does, started before any step
and asked for one statement at a time. At a level that does not isolate files no key is
loaded at all and the run goes on unsigned, which its record says.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk import __version__
from hauberk.core.artifact import Digest, StepRecord
from hauberk.core.codec import to_json
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation, Policy
from hauberk.core.record import Attestation
from hauberk.errors import UnavailableError
from hauberk.trust import keys, predicates
from hauberk.trust.ci import where
from hauberk.trust.keys import Label, PublicKey, Role
from hauberk.trust.policy import sealed, tighten
from hauberk.trust.predicates import Circumstances, ModelTest, Release, Step
from hauberk.trust.private_files import is_there, make_folder
from hauberk.trust.root import Pin, Root, own_root, pin, resolve, root_path
from hauberk.trust.signer import Signer

if TYPE_CHECKING:
    from hauberk.core.finding import Assessment
    from hauberk.lifecycle.run import Options
    from hauberk.lifecycle.settings import Settings
    from hauberk.lifecycle.workshop import Made, Workshop
    from hauberk.trust.store import Store

ROLES = (Role.LIFECYCLE, Role.RELEASE)
ONLINE = (Role.SNAPSHOT, Role.TIMESTAMP)
"""Roles that keep a registry's state; a run that stages a release signs with them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """How far the run's word can be believed, for its record.

    Attributes:
        pin: How the root came to be believed; ``None`` for an unsigned run.
        custody: Who holds the keys, in words.
        level: The level of SLSA's build track that is reached, and why.
    """

    pin: Pin | None
    custody: str
    unsigned_because: str = ""
    level: str = ""

    def facts(self) -> dict[str, str]:
        """Names to values for people."""
        if self.pin is None:
            return {"signatures": f"unsigned: {self.unsigned_because}"}
        root = {
            Pin.PINNED: "pinned outside the project",
            Pin.FIRST_USE: "trust on first use: pin it before you rely on it",
        }
        return {
            "signatures": "every hand-over is signed",
            "root of trust": root[self.pin],
            "keys": self.custody,
            "build level": self.level,
            "log": "not witnessed: no second place holds its heads",
        }


@dataclass(slots=True, kw_only=True)
class Signing:
    """The signing side of one run.

    Attributes:
        policy: The run's policy: the pinned floor, tightened by the project.
        key_ids: Keys that sign, in the order of their roles.
        root: The root of trust; ``None`` for an unsigned run.
        configuration: The user's configuration folder.
        root_file: Root of trust given by hand.
    """

    policy: Policy
    state: TrustState
    signer: Signer
    root: Root | None
    key_ids: tuple[str, ...] = ()
    configuration: Path = field(default_factory=Path)
    root_file: Path | None = None
    _sequence: int = field(default=0)

    @property
    def signs(self) -> bool:
        """Whether this run signs anything."""
        return bool(self.key_ids)

    def close(self) -> None:
        """End the signer."""
        self.signer.close()

    def attest_step(
        self,
        record: StepRecord,
        made: Made,
        assessments: Sequence[Assessment],
        shop: Workshop,
    ) -> Attestation:
        """A step's hand-over as SLSA provenance."""
        judged = _kept(assessments, shop)
        step = Step(
            name=record.name,
            component=component_of(record.name),
            command=record.command,
            materials=record.materials,
            products=record.products,
            isolation=made.level,
            evidence=made.evidence,
            circumstances=self._circumstances(shop),
            started=round(made.started, 3),
            finished=round(made.finished, 3),
            assessments=judged,
            parameters={**made.parameters, "environment": shop.shared.lock or "not recorded"},
        )
        payload = predicates.step_statement(step)
        return self._signed(Role.LIFECYCLE, payload, predicates.PROVENANCE, record.products, shop)

    def attest_test(self, test: ModelTest, shop: Workshop) -> Attestation:
        """An examination of a model as a test result."""
        payload = predicates.model_test_statement(test)
        subjects = {test.model: test.digest}
        return self._signed(Role.LIFECYCLE, payload, predicates.TEST_RESULT, subjects, shop)

    def attest_release(self, release: Release, shop: Workshop) -> Attestation:
        """A release with everything that it rests on."""
        payload = predicates.release_statement(release)
        return self._signed(Role.RELEASE, payload, predicates.RELEASE, release.files, shop)

    def circumstances(self, shop: Workshop) -> Circumstances:
        """Under what the next statement is made."""
        return self._circumstances(shop)

    def sign_head(self, store: Store) -> str:
        """Sign the log's head and keep it; empty for an unsigned run."""
        if not self.signs:
            return ""
        note = store.log.checkpoint(lambda text: self.signer.sign_head(Role.LIFECYCLE, text))
        return str(note.decode("utf-8").splitlines()[2])

    def _circumstances(self, shop: Workshop) -> Circumstances:
        self._sequence += 1
        return Circumstances(
            run=shop.context.run_id,
            sequence=self._sequence,
            policy=self.policy,
            tool_version=__version__,
        )

    def _signed(
        self,
        role: Role,
        payload: bytes,
        predicate_type: str,
        subjects: Mapping[str, Digest],
        shop: Workshop,
    ) -> Attestation:
        unsigned = Attestation(predicate_type=predicate_type, subjects=dict(subjects), envelope=b"")
        if not self.signs:
            return unsigned
        paths = {name: shop.store.blobs.path(digest) for name, digest in subjects.items()}
        envelope = self.signer.sign(role, payload, paths).to_bytes()
        digest = shop.store.blobs.put(iter([envelope]))
        key_id = self.signer.public[role].key_id
        return replace(unsigned, envelope=envelope, digest=digest, key_ids=(key_id,))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerHand:
    """A key of the signer's process, for a registry's metadata."""

    signer: Signer
    role: Role

    @property
    def public(self) -> PublicKey:
        """The key that its signatures verify with."""
        return self.signer.public[self.role]

    def sign(self, data: bytes) -> bytes:
        """A signature over metadata that the role may sign."""
        return self.signer.sign_metadata(self.role, data)


def metadata_hands(signing: Signing) -> tuple[SignerHand, ...]:
    """What signs a registry's metadata in a run; nothing of it is a key in this process."""
    return tuple(
        SignerHand(signer=signing.signer, role=role)
        for role in (Role.RELEASE, *ONLINE)
        if role in signing.signer.public
    )


def component_of(step: str) -> Component:
    """The component that a step belongs to, by its name."""
    return Component(step.partition(".")[0])


def open_signing(settings: Settings, options: Options, level: Isolation) -> Signing:
    """Start the signer where the level allows it and there are keys.

    Raises:
        TrustError: The project's policy lowers the floor, or keys are open to others.
    """
    unpinned = _judged(settings, options, None)
    if level is Isolation.OBSERVE:
        return _unsigned(unpinned, "at level observe a step could read the keys")
    build = where(options.environment)
    if build.fork:
        return _unsigned(unpinned, f"a fork's build on {build.service}: {build.fork}")
    folder = keys_folder(options.configuration)
    try:
        offered = offered_root(settings.project.name, folder)
    except UnavailableError:
        return _unsigned(unpinned, "there are no keys; hauberk init makes them")
    root = resolve(
        settings.project.name, options.configuration, file=options.root_file, offered=offered
    )
    policy = _judged(settings, options, root)
    _refuse_weak(level, policy)
    online = tuple(role for role in ONLINE if is_there(folder / f"{role}.pem"))
    signer = Signer.start(folder, (*ROLES, *online))
    labels = [key.label for role in ROLES for key in root.keys(role).keys]
    return Signing(
        policy=policy,
        state=TrustState(pin=root.state, custody=keys.custody(labels), level=build.level),
        signer=signer,
        root=root,
        key_ids=tuple(signer.public[role].key_id for role in ROLES),
        configuration=options.configuration,
        root_file=options.root_file,
    )


def _judged(settings: Settings, options: Options, root: Root | None) -> Policy:
    """The policy that holds: the floor, then the base branch's where there is one, the project's.

    Without a root there is no floor to hold the project against; its own word stands, or that
    of the base branch, which a change may only tighten.
    """
    floor = Policy() if root is None else root.policy
    waivers = root is not None and root.project_waivers
    if options.policy_from:
        from hauberk.lifecycle.base_policy import of_base

        base = of_base(settings, options.policy_from, floor)
        held = base if root is None else tighten(floor, base, project_waivers=waivers)
        return tighten(held, settings.policy_over(held))
    own = settings.policy_over(floor)
    return own if root is None else tighten(floor, own, project_waivers=waivers)


def _refuse_weak(level: Isolation, policy: Policy) -> None:
    if level.rank < policy.min_isolation.rank:
        raise UnavailableError(
            "isolation is weaker than the pinned policy allows",
            subject="isolation",
            rule="below the policy's level nothing is signed",
            expected=f"at least {policy.min_isolation}",
            found=level.value,
            hint="install bubblewrap, or run with --isolation observe, which signs nothing",
        )


def keys_folder(configuration: Path) -> Path:
    """Where the user's signing keys lie."""
    return configuration / "keys"


def make_keys(configuration: Path) -> Iterator[str]:
    """Make the keys that are missing; one line about each.

    Raises:
        TrustError: The folder is open to others.
    """
    folder = keys_folder(configuration)
    make_folder(configuration)
    label = Label(custodian=getpass.getuser(), machine=keys.machine_name())
    made = keys.make_missing(folder, label, ROLES)
    for role in ROLES:
        public, _ = keys.load_public(folder, role)
        state = f"new, in {folder}" if role in made else "kept"
        yield f"key for {role}: {public.key_id[:16]} ({state})"


def pin_own_root(project: str, configuration: Path) -> Iterator[str]:
    """Pin the user's own keys as the root of a project that has none; one line about it.

    An existing root is left alone: replacing what is trusted is a person's decision.
    """
    path = root_path(configuration, project)
    if is_there(path):
        yield f"root of trust for {project}: kept as it is"
        return
    pin(offered_root(project, keys_folder(configuration)), configuration)
    yield f"root of trust for {project}: these keys, pinned in {path}"


def offered_root(project: str, folder: Path) -> Root:
    """The root that the user's own keys make, with the policy that applies by default.

    Raises:
        UnavailableError: There are no keys.
    """
    floor = sealed(Policy(min_isolation=Isolation.LANDLOCK))
    return own_root(project, folder, policy=floor, tool_floor=__version__, roles=ROLES)


def _unsigned(own: Policy, why: str) -> Signing:
    return Signing(
        policy=sealed(own),
        state=TrustState(pin=None, custody="", unsigned_because=why),
        signer=Signer.start(Path(), ()),
        root=None,
    )


def _kept(assessments: Sequence[Assessment], shop: Workshop) -> Digest | None:
    """What the controls said, in the store; scores stay out."""
    if not assessments:
        return None
    plain = [to_json(replace(item, scores=(), seconds=0.0)) for item in assessments]
    return shop.store.blobs.put(iter([json.dumps(plain, sort_keys=True).encode()]))
