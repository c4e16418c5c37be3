"""What may be called what in a registry: one spelling for each name, no way out of a path.

Models, versions and channels are lower-case ASCII, so that no two of them look alike, fold
into one on some file system, or mean a folder above. A reference is ``MODEL@WHAT``, where
WHAT is a channel or a version. Every path of the registry is made here and read back here:

    models/<model>/<version>.json          a manifest, written once
    channels/<model>/<channel>.json        what a channel points at
    retired/<model>.json                   what is never served again
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hauberk.errors import ArtifactError, UsageError

STAGING, PRODUCTION = "staging", "production"
CHANNELS = (STAGING, PRODUCTION)

MODELS, STAGED, PROMOTED, RETIRED = "models", "staging", "production", "retired"
PATHS = {
    MODELS: "models/*/*.json",
    STAGED: "channels/*/staging.json",
    PROMOTED: "channels/*/production.json",
    RETIRED: "retired/*.json",
}
"""Delegated role to the paths that it answers for."""

MAX_NAME = 64
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.))*\Z")
_RESERVED = frozenset({"con", "prn", "aux", "nul"})  # devices on some systems


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """``MODEL@WHAT`` taken apart.

    Attributes:
        what: A channel or a version.
    """

    model: str
    what: str

    @property
    def is_channel(self) -> bool:
        """Whether it names a channel and not a version."""
        return self.what in CHANNELS

    def __str__(self) -> str:
        return f"{self.model}@{self.what}"


def is_name(text: str) -> bool:
    """Whether ``text`` may name a model or a version."""
    return (
        len(text) <= MAX_NAME
        and _NAME.match(text) is not None
        and not text.endswith(".")
        and text.partition(".")[0] not in _RESERVED
    )


def check_name(text: str, what: str = "model") -> str:
    """``text`` itself, if it may name a model or a version.

    Raises:
        UsageError: It may not.
    """
    if not is_name(text):
        raise UsageError(
            f"this cannot name a {what} in a registry",
            subject=ascii(text)[:100],
            rule="names have one spelling and lead nowhere else",
            expected=f"1 to {MAX_NAME} of a-z 0-9 . _ -, beginning with a letter or digit, "
            "without '..'",
            found=ascii(text)[:100],
            hint=f"choose a plain lower-case name for the {what}",
        )
    return text


def parse_reference(text: str) -> Reference:
    """``MODEL@CHANNEL`` or ``MODEL@VERSION``.

    >>> str(parse_reference("loans@production"))
    'loans@production'

    Raises:
        UsageError: It is neither.
    """
    model, at, what = text.partition("@")
    if not at:
        raise UsageError(
            "this names no version and no channel of a model",
            subject=ascii(text)[:100],
            expected="MODEL@staging, MODEL@production or MODEL@VERSION",
            found=ascii(text)[:100],
            hint=f"write {ascii(text)[1:-1][:60]}@production",
        )
    return Reference(model=check_name(model), what=check_name(what, "version"))


def version_path(model: str, version: str) -> str:
    """Where a version's manifest is."""
    check_name(version, "version")
    if version in CHANNELS:
        raise UsageError("a version cannot be called like a channel", subject=version)
    return f"models/{check_name(model)}/{version}.json"


def channel_path(model: str, channel: str) -> str:
    """Where a channel's statement is.

    Raises:
        UsageError: There is no such channel.
    """
    if channel not in CHANNELS:
        raise UsageError(
            "there is no such channel",
            subject=ascii(channel)[:100],
            expected=" or ".join(CHANNELS),
            found=ascii(channel)[:100],
        )
    return f"channels/{check_name(model)}/{channel}.json"


def retired_path(model: str) -> str:
    """Where the list of a model's retired versions is."""
    return f"retired/{check_name(model)}.json"


def role_of(path: str) -> str:
    """The delegated role that answers for a path made here."""
    top, _, rest = path.partition("/")
    if top == "channels":
        return rest.rpartition("/")[2].removesuffix(".json")
    return top


def parts_of(path: str) -> tuple[str, str]:
    """Model and version, or model and channel, of a path in foreign metadata.

    Raises:
        ArtifactError: It is no path that could have been made here.
    """
    top, *rest = path.removesuffix(".json").split("/")
    known = {"models": 2, "channels": 2, "retired": 1}
    good = path.endswith(".json") and known.get(top) == len(rest) and all(map(is_name, rest))
    if not good or (top == "channels" and rest[1] not in CHANNELS):
        raise ArtifactError(
            "the registry names a path that no registry has",
            subject=ascii(path)[:200],
            rule="paths have one spelling and lead nowhere else",
            expected="models/NAME/VERSION.json, channels/NAME/CHANNEL.json or retired/NAME.json",
            found=ascii(path)[:200],
            hint="do not use this registry; find out who signed it",
        )
    return rest[0], rest[1] if len(rest) > 1 else ""
