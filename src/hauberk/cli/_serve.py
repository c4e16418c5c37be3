"""What `hauberk serve` opens before it serves: a verified bundle, its log, its monitor."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.cli import _door
from hauberk.core.control import Tier
from hauberk.errors import ArtifactError, UsageError
from hauberk.guard import bundle as bundles
from hauberk.guard import policy as policies
from hauberk.guard.release import FOLDER, named, signed

if TYPE_CHECKING:
    from hauberk.cli._follow import Offer
    from hauberk.cli._recall import Recall
    from hauberk.cli._registry_reading import Found
    from hauberk.core.artifact import Digest
    from hauberk.guard.audit import Log
    from hauberk.guard.bundle import Bundle
    from hauberk.guard.desk import Surroundings
    from hauberk.trust.chain import VerifiedChain
    from hauberk.trust.registry.documents import Manifest
    from hauberk.trust.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle that may be served.

    Attributes:
        log: Where decisions go; ``None`` where nowhere was named.
        said: How it was verified, one line each.
        recall: Looks after a version from a registry.
        manifest: Of that version.
    """

    bundle: Bundle
    log: Log | None
    said: tuple[str, ...]
    recall: Recall | None = None
    manifest: Manifest | None = None


def open_any(
    place: Path, configuration: Path, *, root_file: Path | None, unsigned: bool, log: Path | None
) -> Opened:
    """The bundle of a folder, or the staged release of a project.

    Raises:
        TrustError: It is not what was released.
        UsageError: There is neither.
    """
    if (place / bundles.MANIFEST).is_file():
        return _folder(place, configuration, root_file=root_file, unsigned=unsigned, log=log)
    if unsigned:
        raise UsageError(
            "only a bundle's own folder can be served unsigned",
            subject=str(place),
            expected=f"a folder with {bundles.MANIFEST}",
            found="a project, or something else",
        )
    return _project(place, configuration, root_file=root_file, log=log)


def open_published(args: argparse.Namespace) -> Opened:
    """What a channel of a registry points at, verified and read into memory.

    A server goes on with it when the registry's metadata expires; the next start is refused
    until somebody signs anew.

    Raises:
        TrustError: The registry, the version or its evidence does not verify.
        UsageError: It is no bundle.
    """
    import signal
    import sys

    from hauberk.cli._recall import Recall

    found = _resolved(args)
    bundle = _bundle_of(found)
    recall = Recall(
        found.view,
        found.manifest,
        stop=lambda: signal.raise_signal(signal.SIGTERM),
        say=lambda line: print(line, file=sys.stderr, flush=True),
        every_s=args.recheck,
    )
    return Opened(
        bundle=bundle,
        log=_log(args.log),
        said=tuple(found.said()),
        recall=recall,
        manifest=found.manifest,
    )


def _resolved(args: argparse.Namespace) -> Found:
    from hauberk.cli._registry_reading import resolved

    args.project = "."
    return resolved(args, args.what)


def _bundle_of(found: Found) -> Bundle:
    """The bundle of a resolved version, every byte hashed.

    Raises:
        TrustError: It is not what was released.
        UsageError: It is no bundle.
    """
    from hauberk.trust.registry.transfer import contents

    if found.chain is None or bundles.MANIFEST not in found.layout():
        raise UsageError(
            "this version is no bundle that can be served",
            subject=found.reference,
            expected=f"a release with {bundles.MANIFEST}",
            found=", ".join(sorted(found.layout()))[:200],
            hint="hauberk run makes bundles",
        )
    files = dict(contents(found.place.blobs, found.layout()))
    return bundles.assemble(files, verify=named(found.chain.release), subject=found.reference)


def look_up(args: argparse.Namespace) -> Offer:
    """What the channel points at now, verified; its bytes are fetched when they are wanted.

    Raises:
        TrustError: The registry or the version does not verify.
        UnavailableError: It cannot be read.
    """
    from hauberk.cli._follow import Offer

    found = _resolved(args)
    return Offer(manifest=found.manifest, load=lambda: _bundle_of(found))


def _folder(
    place: Path, configuration: Path, *, root_file: Path | None, unsigned: bool, log: Path | None
) -> Opened:
    from hauberk.trust.root import resolve

    if unsigned:
        bundle = bundles.load(place, verify=bundles.unverified)
        warning = "NOT VERIFIED: the bundle agrees with itself, and nobody answers for it"
        return Opened(bundle=bundle, log=_log(log), said=(warning,))
    root = resolve(bundles.name_in(place), configuration, file=root_file)
    bundle = bundles.load(place, verify=signed(root))
    said = (
        f"release signed by the keys of a root that is {root.state.value}",
        "the way back to its sources is checked by `hauberk verify` in the project",
    )
    return Opened(bundle=bundle, log=_log(log), said=said)


def _project(
    place: Path, configuration: Path, *, root_file: Path | None, log: Path | None
) -> Opened:
    from hauberk.lifecycle.settings import load
    from hauberk.trust.store import Store

    settings = load(place)
    store = Store.open(settings.root, create=False)
    chain = _verified(store, settings.project.name, configuration, root_file)
    files = _released_files(store, chain.release.files)
    bundle = bundles.assemble(files, verify=named(chain.release), subject="release")
    said = (
        f"chain of {len(chain.links)} steps and {len(chain.tests)} tests verified",
        f"root of trust: {chain.trust.value}",
        f"keys: {chain.custody}",
        f"weakest isolation on the way: {chain.isolation.value}",
    )
    return Opened(bundle=bundle, log=_log(log) or store.log, said=said)


def _verified(
    store: Store, project: str, configuration: Path, root_file: Path | None
) -> VerifiedChain:
    """The staged release with its chain; bytes are hashed again where the store holds them."""
    from hauberk.lifecycle import releases
    from hauberk.trust.chain import verify_chain
    from hauberk.trust.places import BlobPlace
    from hauberk.trust.root import resolve

    found = releases.required(store, project)
    release, statements = releases.envelopes(store, found)
    chain = verify_chain(
        release=release,
        statements=statements,
        places=(BlobPlace(blobs=store.blobs),),
        root=resolve(project, configuration, file=root_file),
    )
    releases.refuse_older(store, project, found, chain.release.sequence)
    return chain


def _released_files(store: Store, files: Mapping[str, Digest]) -> dict[str, bytes]:
    prefix = f"{FOLDER}/"
    found = {}
    for path, digest in files.items():
        if not path.startswith(prefix):
            continue
        if store.blobs.size(digest) > bundles.MAX_MODEL_BYTES:
            raise ArtifactError("a released file is too large to serve", subject=path)
        found[path.removeprefix(prefix)] = b"".join(store.blobs.open(digest))
    return found


def _log(folder: Path | None) -> Log | None:
    from hauberk.trust.log import Log

    return None if folder is None else Log.open(folder)


def with_policy(opened: Opened, file: Path | None, profile: str | None = None) -> Opened:
    """The same bundle under the policy in a file, and under a named profile.

    Raises:
        UsageError: It cannot be read, or says something that cannot be.
    """
    policy, said = opened.bundle.policy, opened.said
    if file is not None:
        policy = _door.read_policy(file)
        said = (*said, f"policy: {file} in place of the bundle's own")
    if profile is not None:
        policy = policies.with_profile(policy, Tier(profile))
    said = (*said, f"profile: {policy.profile}")
    return replace(opened, bundle=replace(opened.bundle, policy=policy), said=said)


class Monitoring:
    """The training profile of what is served, and what gathers live rows to hold against it."""

    def __init__(self, bundle: Bundle) -> None:
        self.of(bundle)

    def of(self, bundle: Bundle) -> Monitoring:
        """Begin anew for another version."""
        from hauberk.monitor.live import Live
        from hauberk.sketches.profile import Profile

        self.is_same = bundle.profile == getattr(self, "profile", bundle.profile)
        self.profile = bundle.profile
        self.training = Profile.from_bytes(bundle.profile)
        self.live = Live(self.training, bundle.schema)
        return self

    def within(self, world: Surroundings) -> Surroundings:
        """The same surroundings with this monitor as their tap."""
        from hauberk.monitor.gauges import Gauges
        from hauberk.monitor.sending import Both

        gauges = Gauges(training=self.training, live=self.live, clock=time.monotonic)
        others = world.tap.others if isinstance(world.tap, Both) else ()
        if others and not self.is_same:  # their counts are over the bins of the version before
            _door.alarm("telemetry ends: this version has another profile; start again for it")
            others = ()
        return replace(world, tap=Both(self.live, *others), more_metrics=gauges)
