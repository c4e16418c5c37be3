"""The lineage of a data set: every version with its signature, from the log.

A version is believed when all of these hold:

1. the log holds against its signed heads, and names every version once, numbered 1, 2, 3 ...;
2. the name's pointer names the last version of the log: an older one is a rollback;
3. this user has not seen a later version, or another one of the same number, before
   (memory outside the project and its store: `Seen`);
4. every envelope is signed by the threshold of lifecycle keys that the root pins, and its
   one subject is the version's document, which has that digest;
5. every document names its predecessor by digest, so no link can be dropped or exchanged;
6. no statement was made by a tool below the root's version floor;
7. every document that names a project names the root's, and none that follows such a one
   names none: the store of another project of the same owner, with a data set of the same
   name, is not taken for this one's. Documents of older tools name none.

Commits append to the log first and move the pointer last. A crash in between leaves a
pointer behind the log, which reading refuses as it does a rollback, and the next commit
mends after verifying what it moves to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from hauberk.core.artifact import Digest
from hauberk.core.ports import Blobs, Pointer, Pointers
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust import dsse
from hauberk.trust.canonical import canonical_json, parse_json
from hauberk.trust.digest import parse_digest
from hauberk.trust.dsse import Envelope
from hauberk.trust.keys import Role
from hauberk.trust.predicates import DATA_VERSION
from hauberk.trust.private_files import is_there, make_folder, write
from hauberk.trust.role_keys import telling_ended
from hauberk.trust.root import Root, check_tool
from hauberk.trust.statement import PAYLOAD_TYPE, parse
from hauberk.trust.versions.recipes import malformed
from hauberk.trust.versions.versions import MAX_DOCUMENT_BYTES, Version, read_version

KIND: Final = "data-version"
_MARK: Final = b'"data-version"'
_MAX_SEEN_BYTES: Final = 4_096


class Records(Protocol):
    """As much of the log as lineages need."""

    def records(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The records, checked against the log's roots."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One version as the log names it.

    Attributes:
        version: Digest of the document.
        envelope: Digest of the signed statement about it.
    """

    number: int
    version: Digest
    envelope: Digest

    def event(self, name: str) -> bytes:
        """The record of the log."""
        return canonical_json({"kind": KIND, "name": name, **self.document()})

    def document(self) -> dict[str, Any]:
        """The link as JSON."""
        return {"envelope": self.envelope, "number": self.number, "version": self.version}


def pointer_name(name: str) -> str:
    """The pointer of a data set."""
    return f"datasets/{name}"


def read_pointer(pointer: Pointer) -> Link:
    """The link that a pointer holds.

    Raises:
        ArtifactError: It holds something else.
    """
    return _link(parse_json(pointer.value, max_bytes=_MAX_SEEN_BYTES, max_depth=2))


def _link(value: Any) -> Link:
    keys = ("envelope", "number", "version")
    if not isinstance(value, dict) or not all(key in value for key in keys):
        raise malformed("a link with envelope, number and version")
    if type(value["number"]) is not int:
        raise malformed("a number")
    return Link(
        number=value["number"],
        version=parse_digest(value["version"]),
        envelope=parse_digest(value["envelope"]),
    )


def logged(log: Records, name: str) -> tuple[Link, ...]:
    """The versions of a data set that the log names, oldest first.

    Raises:
        TrustError: Their numbers have gaps or repeat.
    """
    links = [_link(event) for event in _events(log) if event.get("name") == name]
    if [link.number for link in links] != list(range(1, len(links) + 1)):
        raise TrustError(
            f"the log does not number the versions of {name} one by one",
            subject=name,
            rule="versions are numbered 1, 2, 3 in the log",
            expected=f"1 to {len(links)}",
            found=", ".join(str(link.number) for link in links)[:200],
            hint="find out who wrote to the log; hauberk log verify shows whether it was cut",
        )
    return tuple(links)


def names(log: Records) -> tuple[str, ...]:
    """Names of all data sets in the log, sorted."""
    return tuple(sorted({str(event.get("name")) for event in _events(log)}))


def _events(log: Records) -> Iterator[dict[str, Any]]:
    for record in log.records():
        if _MARK in record:
            event = parse_json(record)
            if isinstance(event, dict) and event.get("kind") == KIND:
                yield event


def check_pointer(name: str, links: Sequence[Link], pointer: Pointer | None) -> None:
    """Rule 2.

    Raises:
        TrustError: The pointer names another version than the log's last.
        UsageError: There is no such data set.
    """
    if not links and pointer is None:
        raise UsageError(
            f"there is no data set {name}",
            subject=name,
            expected="a data set that was added",
            hint=f"hauberk data add PATH --name {name}; hauberk data log lists what there is",
        )
    found = None if pointer is None else read_pointer(pointer)
    if not links or found != links[-1]:
        raise TrustError(
            f"the store does not name the newest version of {name}",
            subject=name,
            rule="a data set's pointer names the last version in the log",
            expected=f"version {links[-1].number}" if links else "a version in the log",
            found="no version" if found is None else f"version {found.number}, {found.version}",
            hint="if a commit was cut short, hauberk data repair mends it; else find out who "
            "changed the store",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A version whose lineage holds.

    Attributes:
        links: The log's links up to this version.
        lineage: All documents, from the first to this one.
        key_ids: Keys that signed this version.
    """

    version: Version
    links: tuple[Link, ...]
    lineage: tuple[Version, ...]
    key_ids: tuple[str, ...]


def verify(
    name: str,
    *,
    log: Records,
    pointers: Pointers,
    blobs: Blobs,
    root: Root,
) -> Verified:
    """The newest version of a data set with its lineage, by the rules 1, 2 and 4 to 7.

    That the log itself holds is the caller's to judge first, as is rule 3.

    Raises:
        TrustError: A rule is broken; the error names the version.
        ArtifactError: Something is malformed.
        UnavailableError: Bytes are missing.
    """
    links = logged(log, name)
    check_pointer(name, links, pointers.get(pointer_name(name)))
    return verify_links(name, links, blobs=blobs, root=root)


def verify_links(name: str, links: Sequence[Link], *, blobs: Blobs, root: Root) -> Verified:
    """Rules 4 to 7 for the versions that ``links`` name, from the first to the last."""
    lineage: list[Version] = []
    key_ids: tuple[str, ...] = ()
    for link in links:
        version, key_ids = _signed(name, link, blobs, root)
        parent = lineage[-1].digest if lineage else None
        _check_project(version, lineage, root)
        if version.parent != parent or version.number != link.number:
            raise TrustError(
                f"{version.title} does not follow the version before it",
                subject=f"{name}@{link.number}",
                rule="every version names its predecessor by digest",
                expected=f"version {link.number} after {parent or 'none'}",
                found=f"version {version.number} after {version.parent or 'none'}",
                hint="a link of the lineage was dropped, forged or exchanged; restore the store",
            )
        lineage.append(version)
    return Verified(
        version=lineage[-1], links=tuple(links), lineage=tuple(lineage), key_ids=key_ids
    )


def _check_project(version: Version, before: Sequence[Version], root: Root) -> None:
    """Rule 7."""
    was_named = bool(before) and before[-1].project is not None
    if version.project == root.project or (version.project is None and not was_named):
        return
    raise TrustError(
        f"{version.title} is another project's",
        subject=version.title,
        rule="the versions of a data set belong to one project, that of the root of trust",
        expected=f"project {root.project}",
        found="no project" if version.project is None else f"project {version.project}",
        hint="the store of another project was put in this one's place: restore it; if the "
        "project was renamed, name it back to read them, or add the data anew",
    )


def _signed(name: str, link: Link, blobs: Blobs, root: Root) -> tuple[Version, tuple[str, ...]]:
    keys = root.keys(Role.LIFECYCLE)
    envelope = Envelope.from_bytes(_small(blobs, link.envelope), canonical=True)
    # Not strict: after a rotation old versions bear signatures of keys that went.
    with telling_ended(keys):
        good = dsse.verify_keys(envelope, keys.by_id(), keys.threshold, payload_type=PAYLOAD_TYPE)
    said = parse(good.payload)
    data = _small(blobs, link.version)
    version = read_version(data)
    title = f"{name}@{link.number}"
    found = (said.predicate_type, dict(said.subjects), good.payload)
    wanted = (DATA_VERSION, {title: link.version}, version.statement())
    if found != wanted or version.name != name:
        raise TrustError(
            f"what was signed is not {title}",
            subject=title,
            rule="the signed statement is about this document of this data set",
            expected=f"{title} with {link.version}",
            found=", ".join(f"{key} with {value}" for key, value in said.subjects.items())[:300],
            hint="a statement about something else was attached; restore the store",
        )
    check_tool(root, version.tool_version, subject=title)
    return version, good.key_ids


def _small(blobs: Blobs, digest: Digest) -> bytes:
    size = blobs.size(digest)
    if size > MAX_DOCUMENT_BYTES:
        raise ArtifactError(
            "a document of a version is too large",
            subject=f"blob {digest}",
            expected=f"at most {MAX_DOCUMENT_BYTES} bytes",
            found=f"{size} bytes",
        )
    return b"".join(blobs.open(digest))


def check_seen(found: Verified, seen: Link, *, hint: str = "pin the newest version") -> None:
    """Rule 3, for a link that is known from before.

    Raises:
        TrustError: The lineage ends before it, or has another version of its number.
    """
    same = [link for link in found.links if link.number == seen.number]
    if [link.version for link in same] != [seen.version]:
        raise TrustError(
            f"the store is older than, or another than, what was seen of {found.version.name}",
            subject=found.version.name,
            rule="a data set never goes back behind a version that was seen",
            expected=f"version {seen.number}, {seen.version}",
            found=f"version {found.links[-1].number}"
            + (f", {same[0].version} as {seen.number}" if same else ""),
            hint=f"an old or foreign copy of the store was put in its place; restore the newest; "
            f"{hint}",
        )


# What this user has seen ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest version that this user has seen of each data set of a project.

    It lies in the user's configuration, so whoever replaces the whole store, log and all,
    by an older copy does not replace it.

    Attributes:
        folder: Where the memory of one project lies.
    """

    folder: Path

    def check(self, found: Verified) -> None:
        """Rule 3.

        Raises:
            TrustError: A later version, or another one of this number, was seen before.
        """
        path = self.folder / f"{found.version.name}.json"
        if is_there(path):
            check_seen(found, self._read(path), hint=f"remove {path} if the history was rewritten")

    def _read(self, path: Path) -> Link:
        try:
            data = path.read_bytes()[: _MAX_SEEN_BYTES + 1]
        except OSError as error:
            raise UnavailableError(
                "the memory of seen versions cannot be read",
                subject=str(path),
                found=error.strerror or "an error",
            ) from error
        return _link(parse_json(data, max_bytes=_MAX_SEEN_BYTES, max_depth=2))

    def remember(self, found: Verified) -> None:
        """Keep the newest version for later."""
        make_folder(self.folder)
        path = self.folder / f"{found.version.name}.json"
        write(path, canonical_json(found.links[-1].document()), 0o600)


def at(found: Verified, wanted: str | None) -> Version:
    """The version of a lineage with a number or tag; the newest where none is named.

    Raises:
        UsageError: There is none.
    """
    if wanted is None:
        return found.version
    matches: Callable[[Version], bool] = (
        (lambda one: one.number == int(wanted))
        if wanted.isdecimal() and wanted.isascii()
        else (lambda one: wanted in one.tags)
    )
    for version in reversed(found.lineage):
        if matches(version):
            return version
    name = found.version.name
    raise UsageError(
        f"{name} has no version {wanted}",
        subject=f"{name}@{wanted}",
        expected=f"1 to {found.version.number}, or a tag",
        found=wanted,
        hint=f"hauberk data log {name} lists the versions with their tags",
    )
