"""What a project's log says of its releases: meant before the pointer moves, done afterwards.

1. A run logs that it means to release, under a signed head: which release, its number, and
   every signed step that it rests on.
2. It moves the pointer of the channel.
3. With its other events it logs that the release is done, under a signed head.

So a pointer may be ahead of the last release that is done, where a run was killed between 2 and
3: it is told, and the next run heals it. It is never behind: whoever empties the pointers or
turns one back is contradicted by a record that a head covers. A release that was meant and is
not done binds nobody: a run killed between 1 and 2 leaves one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.lifecycle.production.metadata_events import checked
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.heads import HeadsFile

if TYPE_CHECKING:
    from hauberk.trust.store import Store

MEANT: Final = "release-meant"
DONE: Final = "release-done"
_KINDS: Final = (MEANT, DONE)
_MARKS: Final = (b'"release-', b'"envelope"')
"""What canonical JSON of such records holds; a guard's records in the same log are passed over."""
_MAX_RECORD_BYTES: Final = 16 << 20
_MAX_SHOWN: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as records name it.

    Attributes:
        channel: Project and channel, ``loans/staging``.
        digest: Of its signed statement.
        number: Its place in the sequence of releases.
    """

    channel: str
    digest: Digest
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a log tells of one channel.

    Attributes:
        done: The release with the highest number that is done.
        meant: The one with the highest number that was meant.
        steps: Envelopes of the signed steps that records under a signed head name.
    """

    done: Release | None = None
    meant: Release | None = None
    steps: frozenset[Digest] = frozenset()

    @property
    def highest(self) -> int:
        """The highest number that was given to a release, 0 where there is none."""
        return max((one.number for one in (self.done, self.meant) if one), default=0)


def channel_of(project: str, channel: str) -> str:
    """How records name the channel of a project."""
    return f"{project}/{channel}"


def meant(run: str, release: Release, steps: Sequence[Digest]) -> bytes:
    """The record to log before the pointer moves.

    Args:
        run: Id of the run.
        release: What it means to release.
        steps: Envelopes of the signed steps that it rests on.
    """
    return canonical_json(checked({**_event(MEANT, run, release), "steps": list(steps)}))


def done(run: str, release: Release) -> dict[str, Any]:
    """The event to log after the pointer has moved."""
    return _event(DONE, run, release)


def _event(kind: str, run: str, release: Release) -> dict[str, Any]:
    return {
        "kind": kind,
        "run": run,
        "channel": release.channel,
        "release": release.digest,
        "number": release.number,
    }


def told(store: Store, project: str, channel: str) -> Told:
    """What the log itself says of a channel's releases, in one pass; no index is asked.

    Releases bind also behind the newest head, so that nobody frees a channel by removing heads.
    Steps count only under a head.

    Raises:
        TrustError: A record of a release is none that a run writes, or the log is damaged.
    """
    name, signed = channel_of(project, channel), _signed_size(store)
    newest: dict[str, Release] = {}
    steps: set[Digest] = set()
    for number, record in enumerate(store.log.records()):
        if not any(mark in record for mark in _MARKS):
            continue
        event = _event_in(record, number)
        if number < signed:
            steps.update(_steps(event))
        release = _release(event)
        if release is not None and release.channel == name:
            last = newest.setdefault(event["kind"], release)
            newest[event["kind"]] = max(last, release, key=lambda one: one.number)
    return Told(done=newest.get(DONE), meant=newest.get(MEANT), steps=frozenset(steps))


def _signed_size(store: Store) -> int:
    """Records under the newest head; whose signature it bears is judged with the log."""
    newest = HeadsFile(store.root / "log" / "heads").newest()
    return 0 if newest is None else newest.head.size


def _event_in(record: bytes, number: int) -> Mapping[str, Any]:
    """The event in a record that names a step or a release; empty where it is another thing."""
    try:
        event = parse_json(record, max_bytes=_MAX_RECORD_BYTES)
        if not isinstance(event, dict):
            return {}
        return checked(event) if event.get("kind") in _KINDS else event
    except (ArtifactError, UsageError) as error:
        raise TrustError(
            "the log holds a record that no run writes",
            subject=f"record {number} of the log",
            rule="steps and releases are logged as canonical JSON with all their fields",
            expected="an event of a run",
            found=str(error)[:_MAX_SHOWN],
            hint="find out who wrote it, and restore the log from a backup",
        ) from error


def _steps(event: Mapping[str, Any]) -> Iterator[Digest]:
    """Envelopes of signed steps: named by a run's events, or by what it meant before them."""
    named = event["steps"] if event.get("kind") == MEANT else (event.get("envelope"),)
    return (Digest(envelope) for envelope in named if isinstance(envelope, str))


def _release(event: Mapping[str, Any]) -> Release | None:
    if event.get("kind") not in _KINDS:
        return None
    return Release(
        channel=event["channel"], digest=Digest(event["release"]), number=event["number"]
    )


def refuse_forgotten(told: Told, project: str, channel: str, found: Release | None) -> None:
    """Refuse a channel that points at less than the last release that is done.

    Args:
        told: What the log says of it.
        project: Name of the project.
        channel: Its channel.
        found: The release that it points at, by its own signed number; ``None`` where it
            points at nothing.

    Raises:
        TrustError: It does.
    """
    last = told.done
    if last is None or (found is not None and (found.number > last.number or found == last)):
        return
    seen = "nothing: the pointers were removed or emptied"
    raise TrustError(
        "the channel points at less than was released",
        subject=f"channel {channel_of(project, channel)}",
        rule="a channel never goes back behind a release that the project's log calls done",
        expected=f"release {last.number}, {last.digest}, or a later one",
        found=seen if found is None else f"release {found.number}, {found.digest}",
        hint="find out who changed .hauberk/pointers.sqlite; restore it from a backup, or run "
        "the lifecycle again, which releases anew under the next number",
    )


def unfinished(told: Told) -> str:
    """What to tell of a run that was cut short while it released; empty where there is none."""
    last = told.meant
    if last is None or (told.done is not None and told.done.number >= last.number):
        return ""
    return (
        f"a run was cut short while it released version {last.number} ({last.digest}), and the "
        "log does not call it done; next: hauberk run, which releases again"
    )
