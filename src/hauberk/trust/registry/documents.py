"""What a registry's roles sign: manifests of versions, statements of channels, retirements.

Each is a small canonical JSON document, a target file in TUF's words, named by path and digest
in its role's metadata. Weights are never in one; a manifest names them by digest and length.

A channel's statement is a promotion or a rollback. Promotions go upwards: ``highest`` is the
highest sequence that the channel ever promoted, and a promotion is at it. A rollback points
below it, says why, and expires.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.digest import parse_digest
from hauberk.trust.fields import Fields, misfit, time_text
from hauberk.trust.manifest import check_path
from hauberk.trust.registry.names import CHANNELS, is_name

MANIFEST_FORMAT = "urn:hauberk:registry:manifest:v1"
CHANNEL_FORMAT = "urn:hauberk:registry:channel:v1"
RETIRED_FORMAT = "urn:hauberk:registry:retired:v1"
MAX_DOCUMENT_BYTES = 4 << 20
MAX_FILES = 10_000
MAX_FILE_BYTES = 1 << 40
MAX_STATEMENTS = 10_000
MAX_REASON = 2_000


class Evidence(StrEnum):
    """What is known of where a version comes from."""

    ATTESTED = "attested"
    UNATTESTED = "unattested"


class Move(StrEnum):
    """How a channel came to point at a version."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldFile:
    """A file of a version.

    Attributes:
        size: Length in bytes; nothing longer is read.
    """

    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version of a model; written once.

    Attributes:
        sequence: Grows with every version of the model.
        files: Path to digest and length of everything in it.
        entry: Path of the model itself, one of ``files``.
        evidence: Whether a signed release with its chain stands behind it.
        release: Digest of the release's envelope; ``None`` where there is no evidence.
        statements: Digests of the envelopes that the release rests on.
        created: Seconds since the epoch.
    """

    model: str
    version: str
    sequence: int
    files: Mapping[str, HeldFile]
    entry: str
    created: float
    evidence: Evidence = Evidence.UNATTESTED
    release: Digest | None = None
    statements: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointing:
    """What a channel points at.

    Attributes:
        manifest: Digest of the version's manifest.
        highest: Highest sequence that the channel ever promoted.
        number: Grows with every statement of the channel.
        made: Seconds since the epoch.
        expires: When a rollback ends; ``None`` for a promotion.
        reason: Why, for a rollback.
    """

    model: str
    channel: str
    version: str
    sequence: int
    manifest: Digest
    move: Move
    highest: int
    number: int
    made: float
    expires: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A version that is never served again.

    Attributes:
        digest: Digest of the model file, so that the same bytes under another name are too.
    """

    version: str
    digest: Digest
    reason: str
    made: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """All retirements of a model, oldest first; the list only grows."""

    model: str
    versions: tuple[Retirement, ...] = field(default=())

    def of(self, manifest: Manifest) -> Retirement | None:
        """The retirement that covers a version, by its name or by its bytes."""
        digests = {held.digest for held in manifest.files.values()}
        for one in self.versions:
            if one.version == manifest.version or one.digest in digests:
                return one
        return None


def manifest_bytes(manifest: Manifest) -> bytes:
    """The one spelling of a manifest."""
    return canonical_json(
        {
            "created": time_text(manifest.created),
            "entry": manifest.entry,
            "evidence": manifest.evidence.value,
            "files": {
                path: {"bytes": held.size, "digest": held.digest}
                for path, held in manifest.files.items()
            },
            "format": MANIFEST_FORMAT,
            "model": manifest.model,
            "release": manifest.release,
            "sequence": manifest.sequence,
            "statements": list(manifest.statements),
            "version": manifest.version,
        }
    )


def read_manifest(data: bytes) -> Manifest:
    """The manifest spelt by ``data``.

    Raises:
        ArtifactError: It is none, or not canonical.
    """
    fields = _document(data, MANIFEST_FORMAT, "manifest").only(
        "created",
        "entry",
        "evidence",
        "files",
        "format",
        "model",
        "release",
        "sequence",
        "statements",
        "version",
    )
    files = _files(fields.object("files"))
    entry = fields.text("entry")
    if entry not in files:
        raise misfit("manifest.entry", "one of the files", entry)
    release = fields.values.get("release")
    evidence = fields.choice("evidence", Evidence)
    if (release is None) is (evidence is Evidence.ATTESTED):
        raise misfit("manifest.release", "a digest for what is attested, else null", release)
    statements = fields.texts("statements")
    if len(statements) > MAX_STATEMENTS:
        raise misfit("manifest.statements", f"at most {MAX_STATEMENTS}", len(statements))
    return Manifest(
        model=_name(fields, "model"),
        version=_name(fields, "version"),
        sequence=fields.count("sequence"),
        files=files,
        entry=entry,
        created=fields.time("created"),
        evidence=evidence,
        release=None if release is None else parse_digest(release),
        statements=tuple(parse_digest(item) for item in statements),
    )


def _files(fields: Fields) -> dict[str, HeldFile]:
    if not 1 <= len(fields.values) <= MAX_FILES:
        raise misfit(fields.where, f"1 to {MAX_FILES} files", len(fields.values))
    found: dict[str, HeldFile] = {}
    folded: set[str] = set()
    for path in fields.values:
        check_path(path)
        if path.casefold() in folded:
            raise misfit(fields.where, "paths that differ in more than case", path)
        folded.add(path.casefold())
        one = fields.object(path).only("bytes", "digest")
        size = one.count("bytes")
        if size > MAX_FILE_BYTES:
            raise misfit(f"{one.where}.bytes", f"at most {MAX_FILE_BYTES}", size)
        found[path] = HeldFile(digest=one.digest("digest"), size=size)
    return found


def pointing_bytes(pointing: Pointing) -> bytes:
    """The one spelling of a channel's statement."""
    return canonical_json(
        {
            "channel": pointing.channel,
            "expires": None if pointing.expires is None else time_text(pointing.expires),
            "format": CHANNEL_FORMAT,
            "highest": pointing.highest,
            "made": time_text(pointing.made),
            "manifest": pointing.manifest,
            "model": pointing.model,
            "move": pointing.move.value,
            "number": pointing.number,
            "reason": pointing.reason,
            "sequence": pointing.sequence,
            "version": pointing.version,
        }
    )


def read_pointing(data: bytes) -> Pointing:
    """The statement spelt by ``data``.

    Raises:
        ArtifactError: It is none, not canonical, or contradicts itself.
    """
    fields = _document(data, CHANNEL_FORMAT, "channel").only(
        "channel",
        "expires",
        "format",
        "highest",
        "made",
        "manifest",
        "model",
        "move",
        "number",
        "reason",
        "sequence",
        "version",
    )
    channel = fields.text("channel")
    if channel not in CHANNELS:
        raise misfit("channel.channel", " or ".join(CHANNELS), channel)
    has_end = fields.values.get("expires") is not None
    found = Pointing(
        model=_name(fields, "model"),
        channel=channel,
        version=_name(fields, "version"),
        sequence=fields.count("sequence"),
        manifest=fields.digest("manifest"),
        move=fields.choice("move", Move),
        highest=fields.count("highest"),
        number=fields.count("number"),
        made=fields.time("made"),
        expires=fields.time("expires") if has_end else None,
        reason=_reason(fields),
    )
    _check_move(found)
    return found


def _check_move(found: Pointing) -> None:
    if found.move is Move.PROMOTION:
        good = found.sequence == found.highest and found.expires is None
        expected = "a promotion at the channel's highest sequence, without an end"
    else:
        good = found.sequence < found.highest and found.expires is not None and found.reason != ""
        expected = "a rollback below the highest sequence, with an end and a reason"
    if not good:
        raise misfit("channel.move", expected, f"{found.move}, {found.sequence} of {found.highest}")


def retired_bytes(retired: Retired) -> bytes:
    """The one spelling of a list of retirements."""
    return canonical_json(
        {
            "format": RETIRED_FORMAT,
            "model": retired.model,
            "versions": [
                {
                    "digest": one.digest,
                    "made": time_text(one.made),
                    "reason": one.reason,
                    "version": one.version,
                }
                for one in retired.versions
            ],
        }
    )


def read_retired(data: bytes) -> Retired:
    """The list spelt by ``data``.

    Raises:
        ArtifactError: It is none, or not canonical.
    """
    fields = _document(data, RETIRED_FORMAT, "retired").only("format", "model", "versions")
    versions = tuple(_retirement(item, where) for where, item in fields.items("versions"))
    return Retired(model=_name(fields, "model"), versions=versions)


def _retirement(item: Any, where: str) -> Retirement:
    fields = Fields.of(item, where).only("digest", "made", "reason", "version")
    return Retirement(
        version=_name(fields, "version"),
        digest=fields.digest("digest"),
        reason=_reason(fields),
        made=fields.time("made"),
    )


def _document(data: bytes, kind: str, where: str) -> Fields:
    fields = Fields.of(parse_canonical(data, max_bytes=MAX_DOCUMENT_BYTES), where)
    if fields.values.get("format") != kind:
        raise misfit(f"{where}.format", kind, fields.values.get("format"))
    return fields


def _name(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not is_name(text):
        raise misfit(f"{fields.where}.{key}", "a name of a registry", text)
    return text


def _reason(fields: Fields) -> str:
    text = str(fields.get("reason", str, "text"))
    if len(text) > MAX_REASON or not all(char.isprintable() for char in text):
        raise ArtifactError(
            "a reason is one printable line",
            subject=f"{fields.where}.reason",
            expected=f"at most {MAX_REASON} printable characters",
            found=f"{len(text)} characters",
        )
    return text
