"""Which bundles may be served: those whose digests a verified release names.

Two ways to know a release. From a project's store the whole chain is verified first, and
`named` holds the bundle against what it released. A bundle that travelled alone carries its
release statement; `signed` verifies that against the pinned root: the release keys' word for
every byte that is served, without the way back to the sources, which is then elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.guard.bundle import Verify
from hauberk.trust.chain import open_signed
from hauberk.trust.keys import Role
from hauberk.trust.predicates import Release, read_release
from hauberk.trust.root import Root, check_tool

FOLDER = "hauberk/bundle"
"""Where the bundle's files stand among the files of a release."""


def named(release: Release) -> Verify:
    """Accept the bundle whose every file the (verified) release names with its digest."""

    def verify(digests: Mapping[str, Digest], statements: Sequence[bytes]) -> None:
        del statements
        _check_files(release, digests)

    return verify


def signed(root: Root) -> Verify:
    """Accept a bundle that carries a release signed by the root's release keys."""

    def verify(digests: Mapping[str, Digest], statements: Sequence[bytes]) -> None:
        release = _release_among(statements, root)
        _check_floor(release, root)
        _check_files(release, digests)

    return verify


def _release_among(statements: Sequence[bytes], root: Root) -> Release:
    """The newest release that the root's keys signed.

    Raises:
        TrustError: There is none; the reason of the last one stands in the cause.
    """
    found: list[Release] = []
    problem: HauberkError | None = None
    for data in statements:
        try:
            found.append(read_release(open_signed(data, root, Role.RELEASE)[0]))
        except (ArtifactError, TrustError) as error:
            problem = error
    if found:
        return max(found, key=lambda release: release.sequence)
    raise TrustError(
        "the bundle carries no release that the pinned keys signed",
        subject="statements",
        rule="only what was released is served",
        expected=f"a release of {root.project} signed by the root's release keys",
        found=problem.message if problem else "no statement",
        hint="serve a project with `hauberk serve PROJECT`, or take the bundle of a release",
    ) from problem


def _check_floor(release: Release, root: Root) -> None:
    if release.project != root.project or release.sequence < root.release_floor:
        raise TrustError(
            "the release is not one that may be served",
            subject=f"release {release.version} of {release.project}",
            rule="releases of the root's project, at or above its floor",
            expected=f"{root.project}, number {root.release_floor} or higher",
            found=f"{release.project}, number {release.sequence}",
            hint="fetch the current release",
        )
    check_tool(root, release.circumstances.tool_version, subject=f"release {release.version}")


def _check_files(release: Release, digests: Mapping[str, Digest]) -> None:
    for name, digest in sorted(digests.items()):
        expected = release.files.get(f"{FOLDER}/{name}")
        if expected != digest:
            raise TrustError(
                "a file of the bundle is not the released one",
                subject=name,
                rule="digest",
                expected=str(expected or "no such file in the release"),
                found=digest,
                hint="fetch the release again; do not edit a bundle",
            )
