"""What stands behind a version: its signed release, verified, and the evaluation it rests on.

A registry holds what was released and the statements about it, not the data. So the chain is
verified as `hauberk.trust.chain` does, with all signatures, links, floors and tests; the bytes
that are hashed again are those of the release. In the project's own folder `hauberk verify`
does the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hauberk.core.policy import EvidenceMode, Examination
from hauberk.errors import TrustError
from hauberk.trust.chain import VerifiedChain, open_signed, verify_chain
from hauberk.trust.examinations import check_examination
from hauberk.trust.keys import Role
from hauberk.trust.places import BlobPlace
from hauberk.trust.predicates import ModelTest, read_model_test
from hauberk.trust.registry import names
from hauberk.trust.registry.documents import Evidence, Manifest
from hauberk.trust.registry.metadata import OURS
from hauberk.trust.registry.transfer import envelope

if TYPE_CHECKING:
    from hauberk.trust.registry.shelf import Place
    from hauberk.trust.registry.view import View
    from hauberk.trust.root import Root

_OWN_EVIDENCE = (EvidenceMode.ISOLATED, EvidenceMode.HOOKED)


def check_evidence(manifest: Manifest, place: Place, root: Root) -> VerifiedChain:
    """Verify the release behind a version against the project's root.

    Raises:
        TrustError: There is none, it is of something else, or it does not verify.
        UnavailableError: An envelope or a file is missing.
    """
    path = names.version_path(manifest.model, manifest.version)
    if manifest.evidence is not Evidence.ATTESTED or manifest.release is None:
        raise _refusal(
            f"nobody attests where version {manifest.version} of {manifest.model} comes from",
            path,
            rule="what is promoted or served rests on a signed release with its chain",
            expected=Evidence.ATTESTED.value,
            found=manifest.evidence.value,
            hint="make the model with hauberk run, which signs how it was made and examined",
        )
    chain = verify_chain(
        release=envelope(place.blobs, manifest.release),
        statements=[envelope(place.blobs, one) for one in manifest.statements],
        places=(BlobPlace(blobs=place.blobs),),
        root=root,
        whole=False,
    )
    _check_same(path, manifest, chain)
    return chain


def _check_same(path: str, manifest: Manifest, chain: VerifiedChain) -> None:
    release = chain.release
    said = {name: held.digest for name, held in manifest.files.items()}
    pairs: Mapping[str, tuple[Any, Any]] = {
        "project": (release.project.lower(), manifest.model),
        "sequence": (release.sequence, manifest.sequence),
        "files": (dict(release.files), said),
        "model": (release.model in (manifest.entry, *chain.release.files), True),
    }
    for what, (signed, named) in pairs.items():
        if signed != named:
            raise _refusal(
                f"the release behind {path} is of another {what}",
                path,
                rule="a version is exactly what its release signed",
                expected=ascii(signed)[:200],
                found=ascii(named)[:200],
                hint="publish the release again with hauberk registry publish",
            )


def check_in_force(view: View, chain: VerifiedChain, path: str) -> None:
    """Refuse a release that a revoked key signed.

    Raises:
        TrustError: One did.
    """
    targets: Any = view.role("targets", "root")
    ours = targets.unrecognized_fields.get(OURS, {})
    revoked = ours.get("revoked", {}) if isinstance(ours, dict) else {}
    signers = {*chain.signed_by, *(key for link in chain.links for key in link.signed_by)}
    for key in sorted(signers):
        if key in revoked:
            raise _refusal(
                "a revoked key stands behind this version",
                path,
                rule="what a revoked key signed counts for nothing",
                expected="keys in force",
                found=f"key {key[:16]}, revoked: {ascii(revoked[key].get('reason'))[:100]}",
                hint="run the lifecycle again with keys in force, publish and promote that",
            )


def check_for_production(
    manifest: Manifest,
    chain: VerifiedChain,
    wanted: Examination,
    *,
    now: float,
    further: Iterable[ModelTest] = (),
) -> ModelTest:
    """What production asks of the evidence: our own, and a fresh, hard enough examination.

    Args:
        manifest: The version.
        chain: Its verified chain.
        wanted: What the pinned policy demands of examinations.
        now: Seconds since the epoch.
        further: Later examinations of the same model, their signatures verified.

    Returns:
        The examination that it goes to production on.

    Raises:
        TrustError: It was only watched or imported, or its examination is missing, stale, weak
            or another model's.
    """
    path = names.version_path(manifest.model, manifest.version)
    if chain.evidence not in _OWN_EVIDENCE:
        raise _refusal(
            "production needs evidence of Hauberk's own",
            path,
            rule="every step and test ran isolated or hooked",
            expected=" or ".join(mode.value for mode in _OWN_EVIDENCE),
            found=chain.evidence.value,
            hint="run the lifecycle with hauberk run",
        )
    return check_examination(
        (*chain.tests, *further),
        wanted,
        subject=f"{path} (role {names.role_of(path)})",
        model=chain.release.files[chain.release.model],
        sets={name: digest for test in chain.tests for name, digest in test.data.items()},
        now=now,
    )


def read_examination(data: bytes, root: Root) -> ModelTest:
    """A further examination, signed with the project's lifecycle key.

    Raises:
        TrustError: Another key signed it.
        ArtifactError: It is malformed, or speaks of something else.
    """
    said, _, _ = open_signed(data, root, Role.LIFECYCLE)
    return read_model_test(said)


def _refusal(
    message: str, path: str, *, rule: str, expected: str, found: str, hint: str
) -> TrustError:
    return TrustError(
        message,
        subject=f"{path} (role {names.role_of(path)})",
        rule=rule,
        expected=expected,
        found=found,
        hint=hint,
    )
