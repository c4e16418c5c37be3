"""Model registry: a signed release of the bundle and everything it rests on, to staging.

The release names each file by digest, each step and test by the digest of its signed
statement, and every source. Before the pointer moves, the whole chain is verified once as a
stranger would. Promotion to production is a separate act of two persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hauberk.core.artifact import Digest, PipelineRun
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Decision
from hauberk.core.record import Section, StepReport, StepState
from hauberk.guard.bundle import add_statement
from hauberk.guard.release import FOLDER
from hauberk.lifecycle import lock, release_records, releases, reporting
from hauberk.lifecycle.lifecycle_file import FILE
from hauberk.lifecycle.production.model_export import RELEASED
from hauberk.lifecycle.production.serving import next_version
from hauberk.lifecycle.registry_place import is_founded, location
from hauberk.lifecycle.verification import verify_release
from hauberk.trust.digest import digest_bytes
from hauberk.trust.dsse import Envelope
from hauberk.trust.predicates import Named, Release, Source

if TYPE_CHECKING:
    from hauberk.core.record import Attestation
    from hauberk.lifecycle.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[model-registry]``.

    Attributes:
        location: Folder of the registry, seen from the project, used where `hauberk registry
            init` has made one there; or its address in an object store.
    """

    location: str = ".hauberk/registry"


def work(shop: Workshop) -> StepReport:
    """Sign the release, verify it as a stranger would, move the pointer."""
    if not shop.signing.signs:
        why = f"not released: {shop.signing.state.facts()['signatures']}"
        return StepReport(
            component=Component.MODEL_REGISTRY,
            state=StepState.NOT_RUN,
            summary=why,
            reason=why,
        )
    hand_overs = PipelineRun(name=shop.settings.project.name, steps=tuple(shop.records))
    verdict = shop.decide(shop.judge(hand_overs, ["pipeline"]))
    if verdict.decision is not Decision.ALLOW:
        return reporting.with_gate(_bare("not released"), verdict)
    _keep_code(shop)
    release = _release(shop)
    attestation = shop.signing.attest_release(release, shop)
    statements = (*shop.attestations, *shop.tests)
    verified = verify_release(
        attestation.envelope,
        tuple(item.envelope for item in statements),
        root=shop.signing.root,
        project=shop.settings.root,
        store=shop.store,
        required=required_steps(shop),
    )
    _point(shop, release, attestation, statements)
    if shop.shared.bundle is not None:
        add_statement(shop.shared.bundle, attestation.envelope)
    published = _published(shop, attestation.envelope)
    rows = (
        ("version", release.version),
        ("channel", release.channel),
        ("release", digest_bytes(attestation.envelope)),
        ("steps", ", ".join(link.step.name for link in verified.links)),
        ("tests", ", ".join(test.name for test in verified.tests)),
        ("weakest isolation", verified.isolation.value),
        ("keys", verified.custody),
        ("registry", published),
        *((path, digest) for path, digest in release.files.items()),
    )
    report = StepReport(
        component=Component.MODEL_REGISTRY,
        state=StepState.DONE,
        summary=f"version {release.version} released to staging; the chain of "
        f"{len(verified.links)} steps verifies",
        outputs=release.files,
        attestations=(attestation,),
        sections=(Section(title="Release", rows=rows),),
    )
    return reporting.with_gate(report, verdict)


def _point(
    shop: Workshop,
    release: Release,
    attestation: Attestation,
    statements: Sequence[Attestation],
) -> None:
    """Log what is meant under a signed head, then move the pointer; see `release_records`."""
    project = shop.settings.project.name
    named = release_records.Release(
        channel=release_records.channel_of(project, release.channel),
        digest=digest_bytes(attestation.envelope),
        number=release.sequence,
    )
    envelopes = [digest_bytes(item.envelope) for item in statements]
    shop.store.log.append([release_records.meant(shop.context.run_id, named, envelopes)])
    shop.signing.sign_head(shop.store)
    shop.say("release-meant", f"release {named.number} is signed and logged")
    releases.publish(shop.store, project, named.digest, envelopes, named.number)
    shop.say("release-staged", f"release {named.number} is in {release.channel}")
    shop.shared.released = named


def _published(shop: Workshop, release: bytes) -> str:
    """Publish to the registry's staging channel, where there is a registry."""
    place = location(shop.settings)
    if not is_founded(place):
        return "none: hauberk registry init makes one"
    from hauberk.lifecycle.publishing import stage
    from hauberk.lifecycle.registry_events import Deed, event_of

    statements = tuple(item.envelope for item in (*shop.attestations, *shop.tests))
    manifest, state = stage(shop, release, statements, place)
    subject = f"{manifest.model}@{manifest.version}"
    deed = Deed(deed="publish", subject=subject, registry=place[-200:], state=state)
    shop.store.log.append([event_of(deed)])
    shop.signing.sign_head(shop.store)
    return f"staged in {place}, state {state}"


def _bare(summary: str) -> StepReport:
    return StepReport(component=Component.MODEL_REGISTRY, state=StepState.DONE, summary=summary)


def required_steps(shop: Workshop) -> tuple[str, ...]:
    """Names of the steps that this project's chain must have."""
    return required_names(shop.plan)


def required_names(plan: object) -> tuple[str, ...]:
    """Names of the steps that a plan's chain must have."""
    from hauberk.lifecycle.plan import Plan

    if not isinstance(plan, Plan):
        return ()
    return (
        *(f"acquisition.{name}" for name in plan.sources.values()),
        *(step.name for step in plan.steps),
        "preparation",
        "training",
        "model-export",
        "input-data",
        "serving",
    )


def _release(shop: Workshop) -> Release:
    sequence = next_version(shop)
    files = {path: digest for path, digest in shop.digests.items() if path.startswith(FOLDER)}
    made = {path for record in shop.records for path in record.products}
    sources = {
        path: digest
        for record in shop.records
        for path, digest in record.materials.items()
        if path not in made
    }
    return Release(
        project=shop.settings.project.name,
        version=str(sequence),
        sequence=sequence,
        channel=releases.STAGING,
        model=RELEASED,
        files=files,
        steps=tuple(
            Named(name=record.name, digest=_payload_digest(item))
            for record, item in zip(shop.records, shop.attestations, strict=True)
        ),
        tests=tuple(
            Named(name="validation.exported", digest=_payload_digest(item)) for item in shop.tests
        ),
        sources=(
            *(Source(name=path, digest=digest) for path, digest in sorted(sources.items())),
            *_own_files(shop, sources),
        ),
        circumstances=shop.signing.circumstances(shop),
        created=round(shop.context.clock(), 3),
    )


def _own_files(shop: Workshop, sources: Mapping[str, Digest]) -> Iterator[Source]:
    """The files that say what was run and pin what was taken, so that later ones are told."""
    if FILE not in sources and shop.settings.source.name == FILE:
        yield Source(name=FILE, digest=shop.settings.digest, kept=False)
    pins = lock.digest_of(shop.settings.root)
    if lock.FILE not in sources and pins is not None:
        yield Source(name=lock.FILE, digest=pins, kept=False)


def _payload_digest(item: Attestation) -> Digest:
    return digest_bytes(Envelope.from_bytes(item.envelope).payload)


def _keep_code(shop: Workshop) -> None:
    """Put the project's code into the store, so that the chain can be checked later."""
    root = shop.settings.root
    missing = [path for path, digest in shop.code.files.items() if not shop.store.blobs.has(digest)]
    shop.store.publish_files(root / path for path in missing)
