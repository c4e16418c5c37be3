"""Statements: what is said of which bytes (in-toto Statement version 1).

A statement names subjects by digest and carries one predicate whose type says how to read
it. Names of subjects are paths as `hauberk.trust.manifest` accepts them. A folder's name ends
with a slash and its digest stands under ``hauberkTree``, so that no other tool takes the
Merkle root of a folder for the SHA-256 of a file, nor the other way round.

The predicates themselves are in `hauberk.trust.predicates`, their fields are documented in
``docs/attestations.md``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hauberk.core.artifact import Digest
from hauberk.core.record import Attestation
from hauberk.errors import ArtifactError, InternalError
from hauberk.trust.canonical import canonical_json, parse_canonical
from hauberk.trust.digest import digest_bytes, from_hex, hex_of, is_folder_name
from hauberk.trust.dsse import Envelope
from hauberk.trust.fields import Fields, misfit
from hauberk.trust.manifest import MAX_PATH_BYTES, check_path

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SUBJECTS = 50_000  # with paths of 60 bytes they just fit into one envelope
_FILE, _FOLDER = "sha256", "hauberkTree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is said of which bytes.

    Attributes:
        subjects: Path to digest; paths of folders end with a slash.
        predicate_type: URI that says how to read the predicate.
        predicate: JSON.
    """

    subjects: Mapping[str, Digest]
    predicate_type: str
    predicate: Mapping[str, Any]


def statement(
    subjects: Mapping[str, Digest], predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """The canonical spelling of a statement, ready to be signed.

    Raises:
        ArtifactError: A path or value has no place in a statement.
    """
    for name in subjects:
        check_name(name)
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "predicate": predicate,
            "predicateType": predicate_type,
            "subject": resources(subjects),
        }
    )


def parse(payload: bytes) -> Statement:
    """The statement spelt by signed bytes.

    Raises:
        ArtifactError: It is no in-toto statement of version 1, not canonical, or has no,
            too many or unusable subjects.
    """
    fields = Fields.of(parse_canonical(payload), "statement")
    fields.only("_type", "predicate", "predicateType", "subject")
    if fields.text("_type") != STATEMENT_TYPE:
        raise misfit("statement._type", STATEMENT_TYPE, fields.text("_type"))
    subjects = read_resources(fields, "subject")
    if not 1 <= len(subjects) <= MAX_SUBJECTS:
        raise misfit("statement.subject", f"1 to {MAX_SUBJECTS} subjects", len(subjects))
    for name in subjects:
        check_name(name)
    return Statement(
        subjects=subjects,
        predicate_type=fields.text("predicateType"),
        predicate=fields.object("predicate").values,
    )


def attestation(payload: bytes, envelope: Envelope | None = None) -> Attestation:
    """A statement as runs record it; without an envelope it is unsigned.

    Raises:
        ArtifactError: The bytes are no statement.
        InternalError: The envelope is around another statement.
    """
    said = parse(payload)
    if envelope is not None and envelope.payload != payload:
        raise InternalError("an envelope was kept for another statement")
    signatures = envelope.signatures if envelope else ()
    return Attestation(
        predicate_type=said.predicate_type,
        subjects=said.subjects,
        envelope=envelope.to_bytes() if envelope else b"",
        key_ids=tuple(one.key_id for one in signatures),
        digest=digest_bytes(payload),
    )


def check_name(name: str) -> str:
    """``name`` if it is the path of a file, or of a folder with a slash at its end.

    Raises:
        ArtifactError: It is not.
    """
    check_path(name.removesuffix("/"))
    return name


def resources(digests: Mapping[str, Digest]) -> list[dict[str, Any]]:
    """Names with digests as in-toto resource descriptors, sorted by name."""
    return [{"digest": digest_set(name, digests[name]), "name": name} for name in sorted(digests)]


def digest_set(name: str, digest: Digest) -> dict[str, str]:
    """An in-toto digest set that says whether it is a file's or a folder's."""
    return {_FOLDER if is_folder_name(name) else _FILE: hex_of(digest)}


def read_resources(fields: Fields, key: str) -> dict[str, Digest]:
    """The names and digests that `resources` wrote.

    Raises:
        ArtifactError: A descriptor lacks either, or a name stands there twice.
    """
    found: dict[str, Digest] = {}
    for where, item in fields.items(key):
        one = Fields.of(item, where)
        name = _name(one)
        if name in found:
            raise misfit(f"{where}.name", "each name once", name)
        found[name] = _digest(one.object("digest"), name)
    return found


def _name(fields: Fields) -> str:
    """Names of resources may be locations too; only what could deceive is refused."""
    name = fields.text("name")
    unprintable = any(unicodedata.category(char) == "Cc" for char in name)
    if len(name) > MAX_PATH_BYTES or unprintable:
        raise misfit(f"{fields.where}.name", "a short name without control characters", name)
    return name


def _digest(fields: Fields, name: str) -> Digest:
    wanted = _FOLDER if is_folder_name(name) else _FILE
    if fields.values.keys() != {wanted}:
        raise ArtifactError(
            f"{fields.where} is malformed",
            subject=ascii(name)[:200],
            rule=f"files have a digest {_FILE}, folders (with a final slash) {_FOLDER}",
            expected=wanted,
            found=", ".join(sorted(ascii(key) for key in fields.values))[:80] or "nothing",
        )
    return from_hex(fields.text(wanted))
