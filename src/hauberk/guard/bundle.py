"""The serving bundle: a folder that holds all a guard needs, and nothing it does not check.

    bundle.json      name, version, and the digest of each file below
    model.onnx       the model
    schema.json      the closed input schema (`formats.v2_schema`)
    profile.json     the training profile that live inputs are held against
    policy.json      the serving policy (`guard.policy`)
    reference.json   what ordinary rows look like (`methods.stream_reference`); may be absent
    statements/      signed envelopes that speak for the bundle

Loading follows these steps; nothing is interpreted before step 4:

1. The folder holds these files and no others; each is a regular file within its bound.
2. Each file is opened once, without following links, read whole from that one handle, and
   hashed from the bytes in memory; later steps use those bytes and never the path again.
3. The digests in ``bundle.json`` equal those of step 2.
4. ``verify`` accepts the digests and envelopes; it raises otherwise.
5. Schema and policy are parsed. The model's bytes go to the runtime only after this.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.formats import v2_schema
from hauberk.formats.strict_json import JsonLimits, decode
from hauberk.formats.v2_schema import InputSchema
from hauberk.guard import policy as policies
from hauberk.guard.learning import learn_schema
from hauberk.guard.policy import GuardPolicy
from hauberk.trust.digest import digest_bytes

__all__ = [
    "MANIFEST",
    "Bundle",
    "Verify",
    "add_statement",
    "assemble",
    "learn_schema",
    "load",
    "name_in",
    "pinned",
    "read_once",
    "statements_of",
    "unverified",
    "write",
]

BUNDLE_VERSION = 1
MANIFEST = "bundle.json"
STATEMENTS = "statements"

MAX_MODEL_BYTES = 2 << 30
"""Protocol buffers end at 2 GiB, and so do models in one file."""

MAX_STATEMENT_BYTES = 8 << 20
MAX_STATEMENTS = 256

_MAX_BYTES = {
    MANIFEST: 64 << 10,
    "model.onnx": MAX_MODEL_BYTES,
    "schema.json": v2_schema.MAX_SCHEMA_BYTES,
    "profile.json": 256 << 20,
    "policy.json": 256 << 10,
}
REFERENCE = "reference.json"
MAX_REFERENCE_BYTES = 8 << 20
_NAME_MARKS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_MAX_NAME = 128

Verify = Callable[[Mapping[str, Digest], tuple[bytes, ...]], None]
"""Takes file name to digest and the envelopes; raises `TrustError` for what is not to be
served. The digest of ``bundle.json`` speaks for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified bundle in memory.

    Attributes:
        digests: File name to digest, ``bundle.json`` among them.
        statements: Envelopes in the order of their file names.
        reference: What ordinary rows look like; empty where it was not learnt.
    """

    name: str
    version: str
    model: bytes
    schema: InputSchema
    profile: bytes
    policy: GuardPolicy
    digests: Mapping[str, Digest]
    statements: tuple[bytes, ...] = ()
    reference: bytes = b""


def write(
    folder: Path,
    *,
    name: str,
    version: str,
    model: bytes,
    schema: InputSchema,
    profile: bytes,
    policy: GuardPolicy | None = None,
    reference: bytes = b"",
) -> Mapping[str, Digest]:
    """Write a bundle into a folder that does not exist yet.

    Returns:
        File name to digest, for the statement that speaks for the bundle; envelopes are
        added later with `add_statement`.

    Raises:
        ArtifactError: The name or version is not plain.
        FileExistsError: The folder exists.
    """
    _check_name("name", name)
    _check_name("version", version)
    files = {
        "model.onnx": model,
        "schema.json": v2_schema.to_bytes(schema),
        "profile.json": profile,
        "policy.json": policies.to_bytes(policy or GuardPolicy()),
    }
    if reference:
        files[REFERENCE] = reference
    digests = {path: digest_bytes(data) for path, data in files.items()}
    manifest = {"schema": BUNDLE_VERSION, "name": name, "version": version, "files": digests}
    files[MANIFEST] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    (folder / STATEMENTS).mkdir(parents=True)
    for path, data in files.items():
        (folder / path).write_bytes(data)
    return {**digests, MANIFEST: digest_bytes(files[MANIFEST])}


def add_statement(folder: Path, envelope: bytes) -> Path:
    """Put an envelope into a bundle, named by its digest."""
    path = folder / STATEMENTS / f"{digest_bytes(envelope).removeprefix('sha256:')[:32]}.json"
    path.write_bytes(envelope)
    return path


def load(folder: Path, *, verify: Verify) -> Bundle:
    """The bundle in ``folder``, by steps 1 to 5.

    Raises:
        ArtifactError: The folder is not a bundle.
        TrustError: A digest does not fit, or ``verify`` refuses.
        UnavailableError: A file cannot be read.
    """
    files = _read_files(folder)  # 1, 2
    statements = tuple(_read_statements(folder / STATEMENTS))
    return assemble(files, statements, verify=verify, subject=str(folder))


def assemble(
    files: Mapping[str, bytes],
    statements: tuple[bytes, ...] = (),
    *,
    verify: Verify,
    subject: str = "bundle",
) -> Bundle:
    """The bundle that these bytes make, by steps 3 to 5; for bytes from a store.

    Raises:
        ArtifactError: They are not the files of a bundle.
        TrustError: A digest does not fit, or ``verify`` refuses.
    """
    _check_names(files, subject)
    digests = {path: digest_bytes(data) for path, data in files.items()}
    manifest = _manifest_of(files[MANIFEST])
    _check_digests(subject, manifest["files"], digests)  # 3
    verify(digests, statements)  # 4
    return Bundle(  # 5
        name=manifest["name"],
        version=manifest["version"],
        model=files["model.onnx"],
        schema=v2_schema.from_bytes(files["schema.json"]),
        profile=files["profile.json"],
        policy=policies.from_bytes(files["policy.json"]),
        digests=digests,
        statements=statements,
        reference=files.get(REFERENCE, b""),
    )


def name_in(folder: Path) -> str:
    """What the manifest of a bundle calls it, unverified: good for finding a root, no more.

    Raises:
        ArtifactError: There is no manifest of a bundle.
        UnavailableError: It cannot be read.
    """
    return str(_manifest_of(read_once(folder / MANIFEST, _MAX_BYTES[MANIFEST]))["name"])


def pinned(expected: Digest) -> Verify:
    """Accept exactly the bundle whose ``bundle.json`` has this digest."""

    def verify(digests: Mapping[str, Digest], statements: tuple[bytes, ...]) -> None:
        del statements
        if digests[MANIFEST] != expected:
            raise TrustError(
                "another bundle than the one that was pinned",
                subject=MANIFEST,
                rule="digest",
                expected=expected,
                found=digests[MANIFEST],
                hint="serve the bundle that was released, or release this one",
            )

    return verify


def unverified(digests: Mapping[str, Digest], statements: tuple[bytes, ...]) -> None:
    """Accept any bundle that agrees with itself; for trying out, never for production."""
    del digests, statements


def _read_files(folder: Path) -> dict[str, bytes]:
    try:
        present = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error
    _check_names([name for name in present if name != STATEMENTS], str(folder))
    files = {name: read_once(folder / name, limit) for name, limit in _MAX_BYTES.items()}
    if REFERENCE in present:
        files[REFERENCE] = read_once(folder / REFERENCE, MAX_REFERENCE_BYTES)
    return files


def _check_names(present: Iterable[str], subject: str) -> None:
    strange = sorted(set(present) - _MAX_BYTES.keys() - {REFERENCE})
    missing = sorted(_MAX_BYTES.keys() - set(present))
    if strange or missing:
        raise ArtifactError(
            "not a serving bundle",
            subject=subject,
            rule="a bundle holds its files and no others",
            expected=", ".join(sorted(_MAX_BYTES)),
            found=f"missing {missing}, unexpected {strange[:5]}",
            hint="make the bundle with `hauberk run`",
        )


def _read_statements(folder: Path) -> Iterator[bytes]:
    if not os.path.lexists(folder):
        return
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise ArtifactError("not a folder", subject=str(folder), rule="statements lie in a folder")
    names = sorted(path.name for path in folder.iterdir())
    if len(names) > MAX_STATEMENTS:
        raise ArtifactError(
            "too many statements",
            subject=str(folder),
            expected=f"at most {MAX_STATEMENTS}",
            found=str(len(names)),
        )
    for name in names:
        yield read_once(folder / name, MAX_STATEMENT_BYTES)


def read_once(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file from one handle, links not followed.

    Raises:
        ArtifactError: It is no regular file, or larger than ``max_bytes``.
        UnavailableError: It cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            raise _not_regular(path) from error
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _not_regular(path)
    with os.fdopen(handle, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ArtifactError(
            "the file is too large",
            subject=str(path),
            rule="size in bytes",
            expected=f"at most {max_bytes}",
            found="more",
        )
    return data


def _not_regular(path: Path) -> ArtifactError:
    return ArtifactError(
        "not a regular file",
        subject=str(path),
        rule="a bundle holds regular files, no links",
        expected="a regular file",
        found="something else",
    )


def _unreadable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        "the bundle cannot be read",
        subject=str(path),
        found=error.strerror or type(error).__name__,
        hint="check the path and its permissions",
    )


def _manifest_of(data: bytes) -> Mapping[str, Any]:
    value = decode(data, JsonLimits(max_bytes=_MAX_BYTES[MANIFEST]))
    fits = (
        type(value) is dict
        and set(value) == {"schema", "name", "version", "files"}
        and value["schema"] == BUNDLE_VERSION
        and type(value["files"]) is dict
    )
    if not fits:
        raise ArtifactError(
            "not the manifest of a serving bundle",
            subject=MANIFEST,
            rule=f"bundle of version {BUNDLE_VERSION}",
            expected="schema, name, version and files",
            found="something else",
        )
    _check_name("name", value["name"])
    _check_name("version", value["version"])
    return dict(value)


def _check_name(what: str, name: Any) -> None:
    plain = type(name) is str and 0 < len(name) <= _MAX_NAME and _NAME_MARKS.issuperset(name)
    if not plain or name.startswith("."):
        raise ArtifactError(
            f"the {what} of a bundle stands in paths and must be plain",
            subject=f"{MANIFEST}, {what}",
            expected="letters, digits, dot, underscore and hyphen, not first a dot",
            found="something else",
        )


def _check_digests(subject: str, declared: Any, digests: Mapping[str, Digest]) -> None:
    found = {path: digest for path, digest in digests.items() if path != MANIFEST}
    for path in sorted(declared.keys() | found.keys()):
        if declared.get(path) != found.get(path):
            raise TrustError(
                "a file of the bundle is not the one that was bundled",
                subject=f"{subject}/{path}",
                rule="digest",
                expected=str(declared.get(path)),
                found=str(found.get(path)),
                hint="fetch the release again; do not edit a bundle",
            )


def statements_of(folder: Path) -> Iterable[bytes]:
    """The envelopes of a bundle, unverified, for tools that show them."""
    return tuple(_read_statements(folder / STATEMENTS))
