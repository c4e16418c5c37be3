"""The chain from sources to a release: verified whole, or refused with the broken link named.

`verify_chain` answers "where does this release come from?" from signed statements alone and
then holds the answer against the bytes. It believes nothing but the root of trust. In order:

1.  The release's envelope is canonical, signed by the threshold of the root's release keys,
    every signature in it good, and its payload a release statement of the root's project
    with a release number at or above the floor.
2.  Every other envelope is canonical and signed likewise by the root's lifecycle keys.
3.  The envelopes are exactly those that the release names by the digest of their signed
    bytes: none missing, none added, none twice.
4.  What the release calls a step is a step's statement of that name, a test a test's.
5.  The release and every statement were made by a version of Hauberk at or above the floor,
    under a policy (spelt out in the statement) that lowers nothing of the policy floor.
6.  Every step and test reached the isolation that its own policy asks for.
7.  Every required step is there, and no step is there twice.
8.  Within one run the sequence numbers grow in the order of the chain.
9.  Every material is the latest product of that name of an earlier step, or a source that
    the release names; every source has the digest that the root knows for it, if any.
10. Every released file is the latest product of that name; the model is one of them.
11. There is a test of the model, every test named is of this model, names sets, all products or
    sources of the chain, and did not fail.
12. The bytes of every kept source, of the latest product of every name and of the control
    results are hashed again wherever they are held: every place that holds them agrees, and
    some place holds them.

A step that was skipped because nothing had changed keeps the statement of the run that did
it; its run id differs from the release's and is shown. What this cannot show: that a source
was good when it was taken in, and that an authorised person meant well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hauberk.core.artifact import Digest
from hauberk.core.policy import EvidenceMode, Isolation
from hauberk.errors import ArtifactError, TrustError
from hauberk.trust import handover
from hauberk.trust.digest import digest_bytes
from hauberk.trust.dsse import Envelope, verify_keys
from hauberk.trust.handover import refusal
from hauberk.trust.keys import KeyId, Role, custody
from hauberk.trust.places import Place
from hauberk.trust.policy import check_floor
from hauberk.trust.predicates import (
    Circumstances,
    ModelTest,
    Named,
    Release,
    Step,
    read_model_test,
    read_release,
    read_step,
)
from hauberk.trust.role_keys import telling_ended
from hauberk.trust.root import Pin, Root, check_tool
from hauberk.trust.statement import PAYLOAD_TYPE, Statement, parse

T = TypeVar("T")

MAX_STATEMENTS = 10_000
_EVIDENCE_ORDER = (
    EvidenceMode.OBSERVED,
    EvidenceMode.IMPORTED,
    EvidenceMode.HOOKED,
    EvidenceMode.ISOLATED,
)  # weakest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One verified step.

    Attributes:
        digest: Digest of the signed statement.
        signed_by: Keys whose signatures were good.
        from_earlier_run: Whether the step was skipped in the release's run.
    """

    step: Step
    digest: Digest
    signed_by: tuple[KeyId, ...]
    from_earlier_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedChain:
    """What was verified; everything in it has held.

    Attributes:
        release: The release.
        digest: Digest of the release's signed statement.
        signed_by: Release keys whose signatures were good.
        custody: Who holds those keys, in words.
        links: The steps in order.
        tests: The examinations of the model.
        isolation: Weakest level among steps and tests.
        evidence: Weakest mode among steps and tests.
        rehashed: Name to the places where its bytes were hashed again.
        not_held: Sources that no copy is held of; only their recorded digests were compared.
        witnessed: Whether a second place holds the log's heads, as the caller says.
        trust: Whether the root was pinned or taken on first use.
        unfinished: What the caller knows of a later release that was cut short; empty where
            there is none.
    """

    release: Release
    digest: Digest
    signed_by: tuple[KeyId, ...]
    custody: str
    links: tuple[Link, ...]
    tests: tuple[ModelTest, ...]
    isolation: Isolation
    evidence: EvidenceMode
    rehashed: Mapping[str, tuple[str, ...]]
    not_held: tuple[str, ...]
    witnessed: bool
    trust: Pin
    unfinished: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """A statement whose envelope was verified."""

    said: Statement
    digest: Digest
    signed_by: tuple[KeyId, ...]


def verify_chain(
    *,
    release: bytes,
    statements: Sequence[bytes],
    places: Sequence[Place],
    root: Root,
    required: Iterable[str] = (),
    witnessed: bool = False,
    whole: bool = True,
) -> VerifiedChain:
    """Verify a release back to its sources by the twelve rules above.

    Args:
        release: The release's envelope.
        statements: The envelopes of all steps and tests, in any order.
        places: Where bytes may be held.
        root: What is believed beforehand.
        required: Names of steps that must be there, beside those that the root asks for.
        witnessed: Whether a second place holds the log's heads; reported, not judged.
        whole: Refuse where bytes of the chain are held nowhere. Away from the project, where
            only what was released is at hand, rule 12 holds for that alone.

    Raises:
        TrustError: A rule is broken.
        ArtifactError: A document is malformed.
        UnavailableError: Bytes are there but cannot be read.
    """
    top = _release(release, root)  # 1
    signed = _statements(statements, root)  # 2
    made = read_release(top.said)
    _check_complete(made, signed)  # 3
    links = tuple(_link(named, signed[named.digest], made) for named in made.steps)  # 4
    tests = tuple(_test(named, signed[named.digest]) for named in made.tests)
    _check_circumstances(made, links, tests, root)  # 5, 6
    _check_required(links, {*required, *root.steps})  # 7
    _check_sequence(links)  # 8
    steps = [link.step for link in links]
    ledger = handover.follow(steps, made, root.sources)  # 9
    handover.check_released(made, ledger)  # 10
    handover.check_tests(made, tests, ledger)  # 11
    rehashed = handover.rehash(made, steps, ledger, places, whole=whole)  # 12
    return VerifiedChain(
        release=made,
        digest=top.digest,
        signed_by=top.signed_by,
        custody=_custody(root, top.signed_by),
        links=links,
        tests=tests,
        isolation=min(_levels(links, tests), key=lambda level: level.rank),
        evidence=min(_modes(links, tests), key=_EVIDENCE_ORDER.index),
        rehashed=rehashed,
        not_held=tuple(source.name for source in made.sources if source.name not in rehashed),
        witnessed=witnessed,
        trust=root.state,
    )


# 1, 2: signatures --------------------------------------------------------------------


def open_signed(data: bytes, root: Root, role: Role) -> tuple[Statement, Digest, tuple[KeyId, ...]]:
    """A statement signed for ``role``, the digest of its bytes, and the keys that signed.

    Raises:
        TrustError: Too few keys of the role signed it, or a signature is bad.
        ArtifactError: It is malformed or not canonical.
    """
    trusted = root.keys(role)
    keys = trusted.by_id()
    envelope = Envelope.from_bytes(data, canonical=True)
    with telling_ended(trusted):
        verified = verify_keys(
            envelope, keys, trusted.threshold, payload_type=PAYLOAD_TYPE, strict=True
        )
    return parse(verified.payload), digest_bytes(verified.payload), verified.key_ids


def _signed(data: bytes, root: Root, role: Role, what: str) -> _Signed:
    try:
        said, digest, signed_by = open_signed(data, root, role)
    except TrustError as error:
        error.subject = f"{what}: {error.subject}"
        raise
    return _Signed(said=said, digest=digest, signed_by=signed_by)


def _release(data: bytes, root: Root) -> _Signed:
    signed = _signed(data, root, Role.RELEASE, "release")
    made = read_release(signed.said)
    if made.project != root.project:
        raise refusal(
            "the release is of another project",
            subject="release.project",
            rule="a root counts for the project it names",
            expected=root.project,
            found=made.project,
            hint="look for the release of this project",
        )
    if made.sequence < root.release_floor:
        raise refusal(
            "the release is older than the pinned floor",
            subject=f"release {made.version}",
            rule="release numbers start at the pinned floor, so that old ones cannot come back",
            expected=f"number {root.release_floor} or higher",
            found=f"number {made.sequence}",
            hint="fetch the current release; an older one needs a new root",
        )
    return signed


def _statements(statements: Sequence[bytes], root: Root) -> dict[Digest, _Signed]:
    if len(statements) > MAX_STATEMENTS:
        raise ArtifactError(
            "too many statements for one chain",
            subject="chain",
            expected=f"at most {MAX_STATEMENTS}",
            found=str(len(statements)),
        )
    signed: dict[Digest, _Signed] = {}
    for index, data in enumerate(statements):
        one = _signed(data, root, Role.LIFECYCLE, f"statement {index}")
        if one.digest in signed:
            raise refusal(
                "a statement is there twice",
                subject=f"statement {index}",
                rule="the chain holds every statement once",
                expected="one",
                found=one.digest,
                hint="remove the copy",
            )
        signed[one.digest] = one
    return signed


# 3, 4: exactly the statements of the release ------------------------------------------


def _check_complete(made: Release, signed: Mapping[Digest, _Signed]) -> None:
    named = Counter(one.digest for one in (*made.steps, *made.tests))
    repeated = next((digest for digest, count in named.items() if count > 1), None)
    missing = next((one for one in (*made.steps, *made.tests) if one.digest not in signed), None)
    extra = next((digest for digest in signed if digest not in named), None)
    if missing is not None:
        raise refusal(
            f"the statement of {missing.name} is missing",
            subject=missing.name,
            rule="every statement that the release rests on is there",
            expected=missing.digest,
            found="nothing",
            hint="restore the statement, or run the lifecycle again",
        )
    if repeated is not None or extra is not None:
        raise refusal(
            "the release does not rest on these statements",
            subject="chain",
            rule="the chain holds the statements that the release names, each once",
            expected=f"{len(named)} statements",
            found=f"{repeated} twice" if repeated else f"also {extra}",
            hint="use the statements of this release only",
        )


def _link(named: Named, signed: _Signed, made: Release) -> Link:
    step = _as(named, signed, read_step)
    _check_name(named, step.name)
    return Link(
        step=step,
        digest=signed.digest,
        signed_by=signed.signed_by,
        from_earlier_run=step.circumstances.run != made.circumstances.run,
    )


def _test(named: Named, signed: _Signed) -> ModelTest:
    test = _as(named, signed, read_model_test)
    _check_name(named, test.name)
    return test


def _as(named: Named, signed: _Signed, read: Callable[[Statement], T]) -> T:
    try:
        return read(signed.said)
    except ArtifactError as error:
        error.subject = f"{named.name}: {error.subject}"
        raise


def _check_name(named: Named, found: str) -> None:
    if named.name != found:
        raise refusal(
            f"the statement of {named.name} speaks of {found}",
            subject=named.name,
            rule="a statement counts under the name that it was signed with",
            expected=named.name,
            found=found,
            hint="use the statements of this release only",
        )


# 5, 6: floors ------------------------------------------------------------------------


def _check_circumstances(
    made: Release, links: Sequence[Link], tests: Sequence[ModelTest], root: Root
) -> None:
    _check_floors("release", made.circumstances, root)
    judged: list[Step | ModelTest] = [*(link.step for link in links), *tests]
    for one in judged:
        _check_floors(one.name, one.circumstances, root)
        wanted = one.circumstances.policy.min_isolation
        if one.isolation.rank < wanted.rank:
            raise refusal(
                f"{one.name} was held too weakly",
                subject=one.name,
                rule="a step reaches the isolation that its policy asks for",
                expected=f"{wanted.value} or stronger",
                found=one.isolation.value,
                hint="run the step on a host that reaches that level",
            )


def _check_floors(name: str, circumstances: Circumstances, root: Root) -> None:
    check_tool(root, circumstances.tool_version, subject=name)
    check_floor(
        root.policy,
        circumstances.policy,
        project_waivers=root.project_waivers,
        subject=f"{name}: policy",
    )


# 7, 8: steps -------------------------------------------------------------------------


def _check_required(links: Sequence[Link], required: Iterable[str]) -> None:
    names = Counter(link.step.name for link in links)
    missing = sorted(set(required) - names.keys())
    twice = sorted(name for name, count in names.items() if count > 1)
    if missing or twice:
        raise refusal(
            f"step {missing[0]} is missing" if missing else f"step {twice[0]} is there twice",
            subject=(missing or twice)[0],
            rule="every required step is in the chain, and no step twice",
            expected="once",
            found="never" if missing else "more than once",
            hint="run the lifecycle again without leaving steps out",
        )


def _check_sequence(links: Sequence[Link]) -> None:
    last: dict[str, int] = {}
    for link in links:
        where = link.step.circumstances
        if where.sequence <= last.get(where.run, -1):
            raise refusal(
                f"step {link.step.name} is out of order",
                subject=link.step.name,
                rule="within one run the sequence numbers grow along the chain",
                expected=f"more than {last[where.run]}",
                found=str(where.sequence),
                hint="use the statements of this release only",
            )
        last[where.run] = where.sequence


# The answer --------------------------------------------------------------------------


def _levels(links: Sequence[Link], tests: Sequence[ModelTest]) -> list[Isolation]:
    return [*(link.step.isolation for link in links), *(test.isolation for test in tests)]


def _modes(links: Sequence[Link], tests: Sequence[ModelTest]) -> list[EvidenceMode]:
    return [*(link.step.evidence for link in links), *(test.evidence for test in tests)]


def _custody(root: Root, signed_by: Iterable[KeyId]) -> str:
    signed = set(signed_by)
    keys = root.keys(Role.RELEASE).keys
    return custody([key.label for key in keys if key.public.key_id in signed])
