"""From a project, or any file or folder, to a version in a registry.

What a project has staged is published with its signed release and every statement that it
rests on, so that it can be verified far from the project. Anything else is published as
"unattested": it can be staged, and neither promoted nor served.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.artifact import Digest
from hauberk.engine.load_gate import admit_to_store
from hauberk.errors import UsageError
from hauberk.lifecycle import releases
from hauberk.lifecycle.settings import load
from hauberk.trust.dsse import Envelope
from hauberk.trust.manifest import check_path
from hauberk.trust.predicates import Release, read_release
from hauberk.trust.registry import names
from hauberk.trust.registry.documents import MAX_FILES, Evidence, HeldFile, Manifest
from hauberk.trust.statement import parse
from hauberk.trust.store import Store

if TYPE_CHECKING:
    from hauberk.core.policy import Waiver
    from hauberk.core.ports import Blobs
    from hauberk.lifecycle.workshop import Workshop
    from hauberk.trust.registry.shelf import Place
    from hauberk.trust.registry.view import View

_CHUNK = 1 << 20


def of_project(root: Path, place: Place) -> Manifest:
    """The manifest of what the project has staged; its bytes are in the registry then.

    Raises:
        UsageError: Nothing is staged.
        TrustError: A blob is not what its name says.
    """
    settings = load(root)
    store = Store.open(settings.root, create=False, read_only=True)
    found = releases.required(store, settings.project.name)
    release, statements = releases.envelopes(store, found)
    releases.refuse_older(store, settings.project.name, found, _read(release).sequence)
    return of_release(release, statements, store.blobs, place)


def of_release(
    release: bytes, statements: tuple[bytes, ...], source: Blobs, place: Place
) -> Manifest:
    """The manifest of a signed release; its bytes are copied from ``source``."""
    made = _read(release)
    return Manifest(
        model=names.check_name(made.project.lower()),
        version=names.check_name(made.version, "version"),
        sequence=made.sequence,
        files={path: _copied(source, digest, place) for path, digest in made.files.items()},
        entry=_entry(made),
        created=float(int(made.created)),
        evidence=Evidence.ATTESTED,
        release=place.blobs.put(iter([release])),
        statements=tuple(place.blobs.put(iter([one])) for one in statements),
    )


def stage(
    shop: Workshop, release: bytes, statements: tuple[bytes, ...], location: str
) -> tuple[Manifest, int]:
    """Publish what a run has released; its signer signs the registry's metadata too.

    Returns:
        The version, and the registry's state with it.

    Raises:
        TrustError: The registry is not the pinned one, or the run's keys may not publish there.
    """
    from hauberk.lifecycle.signing import metadata_hands
    from hauberk.trust.registry import deeds
    from hauberk.trust.registry.access import open_access
    from hauberk.trust.registry.registrar import Registrar
    from hauberk.trust.registry.shelf import open_location

    access = open_access(
        open_location(location, os.environ),
        shop.signing.configuration,
        clock=shop.context.clock,
        root_file=shop.signing.root_file,
        model=shop.settings.project.name.lower(),
    )
    manifest = of_release(release, statements, shop.store.blobs, access.place)
    writer = Registrar.open(
        access.place,
        access.trust,
        access.memory,
        hands=metadata_hands(shop.signing),
        clock=shop.context.clock,
    )
    return manifest, deeds.publish(writer, manifest).version


def _read(release: bytes) -> Release:
    return read_release(parse(Envelope.from_bytes(release, canonical=True).payload))


def _entry(made: Release) -> str:
    return made.model if made.model in made.files else min(made.files)


def _copied(source: Blobs, digest: Digest, place: Place) -> HeldFile:
    if not place.blobs.has(digest):
        place.blobs.put(source.open(digest))
    return HeldFile(digest=digest, size=source.size(digest))


def of_path(
    path: Path,
    place: Place,
    *,
    model: str,
    version: str,
    view: View,
    allow: Sequence[Waiver] = (),
) -> Manifest:
    """The manifest of a file or folder that nobody attests, once it passes the load gate.

    Args:
        allow: Policy entries for names in it that nobody has reviewed.

    Raises:
        ArtifactError: A model in it is dangerous or malformed.
        TrustError: A name in it was never reviewed.
        UnavailableError: Something in it could not be judged.
        UsageError: There is nothing, too much, or a link in it.
    """
    found = dict(_files(path))
    if not found or len(found) > MAX_FILES:
        raise UsageError(
            "this cannot be published",
            subject=str(path),
            expected=f"1 to {MAX_FILES} files",
            found=str(len(found)),
        )
    admit_to_store(path, allow=allow)
    staged = view.pointing(names.check_name(model), names.STAGING)
    files = {name: _landed(file, place) for name, file in sorted(found.items())}
    return Manifest(
        model=model,
        version=names.check_name(version, "version"),
        sequence=staged.highest + 1 if staged else 1,
        files=files,
        entry=max(files, key=lambda name: files[name].size),
        created=float(int(time.time())),
    )


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file() and not path.is_symlink():
        yield check_path(path.name), path
        return
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            one = Path(folder, name)
            if one.is_symlink():
                raise UsageError(
                    "a link cannot be published",
                    subject=str(one),
                    expected="files and folders",
                    found="a symbolic link",
                    hint="replace it by a copy",
                )
            if one.is_file():
                yield check_path(one.relative_to(path).as_posix()), one


def _landed(file: Path, place: Place) -> HeldFile:
    def chunks() -> Iterator[bytes]:
        with file.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                yield piece

    digest = place.blobs.put(chunks())
    return HeldFile(digest=digest, size=place.blobs.size(digest))
