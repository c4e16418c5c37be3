"""Recipes: a file as the list of parts that it is put together from.

A part is named by the SHA-256 of its bytes and lies in the store as a blob of its own, or
as a patch against parts of an older version. Which of both decides how much a version costs
and never what is read: every part is hashed after it was put together, and a part with
other bytes is refused by name and place.

The root of a recipe is the Merkle root (RFC 6962) over its parts with their lengths. Equal
bytes cut by equal rules have equal roots; the SHA-256 of a whole file stands beside it only
where the file has one part.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, Final, Protocol

from hauberk.core.artifact import Digest
from hauberk.core.ports import Blobs
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.trust.canonical import parse_json
from hauberk.trust.digest import from_hex, hex_of, leaf_hash, merkle_root
from hauberk.trust.fields import Fields
from hauberk.trust.versions import chunks, encodings, patches
from hauberk.trust.versions.encodings import Encoding

MAX_PARTS: Final = 4_000_000
MAX_DEPTH: Final = 12
"""Patches on patches; a part that would lie deeper is kept whole."""

_MAX_PATCH_BYTES = patches.MAX_BYTES * 2
_CHEAP: Final = 1_000  # a thousandth of a file, and a thousand bytes: not worth its rows
_WORTH: Final = 0.75  # of what it makes: appended bytes then cost at most a third more


class Batch(Protocol):
    """Takes bytes together with their digest, and makes all of them visible at once."""

    def put(self, digest: Digest, data: bytes | memoryview) -> None:
        """Take bytes that the caller hashed already, and may change afterwards."""

    def flush(self) -> None:
        """Make all of them durable and visible."""

    def discard(self) -> None:
        """Forget what is not visible yet."""


class HashedBlobs(Blobs, Protocol):
    """Blobs that take bytes together with their digest."""

    def batch(self) -> Batch:
        """Where such bytes go."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One stretch of a file.

    Attributes:
        digest: SHA-256 of its bytes.
        size: Length in bytes.
        patch: Blob that says how to make it; ``None`` where the bytes are a blob themselves.
        depth: Patches that lie on each other here.
    """

    digest: Digest
    size: int
    patch: Digest | None = None
    depth: int = 0

    def row(self) -> list[Any]:
        """The part as JSON."""
        plain = [hex_of(self.digest), self.size]
        return plain if self.patch is None else [*plain, hex_of(self.patch), self.depth]


@dataclass(frozen=True)
class Recipe:
    """All parts of a file in order."""

    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """Length of the file in bytes."""
        return sum(part.size for part in self.parts)

    @cached_property
    def root(self) -> Digest:
        """What stands for the bytes of the file."""
        leaves = (leaf_hash(b"%s %d" % (p.digest.encode(), p.size)) for p in self.parts)
        return from_hex(merkle_root(leaves).hex())

    def rows(self) -> list[list[Any]]:
        """The recipe as JSON."""
        return [part.row() for part in self.parts]

    @classmethod
    def of(cls, value: Any) -> Recipe:
        """The recipe that `rows` spelt.

        Raises:
            ArtifactError: It is none.
        """
        if not isinstance(value, list) or len(value) > MAX_PARTS:
            raise malformed(f"a list of at most {MAX_PARTS} parts")
        return cls(tuple(_part(row) for row in value))


def _part(row: Any) -> Part:
    whole, patched = 2, 4
    if not isinstance(row, list) or len(row) not in (whole, patched):
        raise malformed("parts of a digest and a length, or of these with patch and depth")
    size = row[1]
    if type(size) is not int or not 0 <= size <= patches.MAX_BYTES:
        raise malformed(f"a length of at most {patches.MAX_BYTES} bytes")
    if len(row) == whole:
        return Part(from_hex(row[0]), size)
    if type(row[3]) is not int or not 1 <= row[3] <= MAX_DEPTH:
        raise malformed(f"at most {MAX_DEPTH} patches on each other")
    return Part(from_hex(row[0]), size, from_hex(row[2]), row[3])


def read(recipe: Recipe, blobs: Blobs, *, subject: str = "") -> Iterator[bytes]:
    """The bytes of a file, each part after its digest held.

    Raises:
        TrustError: Stored bytes are others; the error names the range.
        UnavailableError: Some are missing.
    """
    at = 0
    for part in recipe.parts:
        try:
            yield part_bytes(part, blobs)
        except (TrustError, ArtifactError) as error:
            raise TrustError(
                "stored bytes are not those that were kept",
                subject=subject or f"part {part.digest}",
                rule="every part of a version has the digest that its recipe names",
                expected=f"{part.digest} for bytes {at} to {at + part.size}",
                found=error.found or error.message,
                hint="restore the store from a backup, or add the genuine data with --rewrite",
            ) from error
        at += part.size


def part_bytes(part: Part, blobs: Blobs) -> bytes:
    """The checked bytes of one part.

    Raises:
        TrustError: They have another digest or length.
        ArtifactError: A patch is malformed.
    """
    if part.patch is None:
        _check_size(part, blobs.size(part.digest))
        return b"".join(blobs.open(part.digest))
    size = blobs.size(part.patch)
    if size > _MAX_PATCH_BYTES:
        raise malformed(f"a patch of at most {_MAX_PATCH_BYTES} bytes")
    how = _How.of(b"".join(blobs.open(part.patch)), part.depth)
    made = how.applied(b"".join(part_bytes(base, blobs) for base in how.bases), part.size)
    found = f"sha256:{hashlib.sha256(made).hexdigest()}"
    if found != part.digest:
        how.refuse_another_writer()
        raise TrustError("a patch makes other bytes", expected=part.digest, found=found)
    return made


def _check_size(part: Part, found: int) -> None:
    if found != part.size:
        raise TrustError(
            "a stored part has another length",
            expected=f"{part.size} bytes",
            found=f"{found} bytes",
        )


@dataclass(frozen=True, slots=True)
class _How:
    """How a part is made of others: by a patch of their bytes, or of the rows in them.

    Attributes:
        text: Length of the text of the rows that the patch makes.
        encoding: How that text becomes bytes; ``None`` where the patch makes the bytes.
    """

    bases: tuple[Part, ...]
    patch: bytes
    text: int = 0
    encoding: Encoding | None = None

    @classmethod
    def of(cls, document: bytes, depth: int) -> _How:
        head, mark, patch = document.partition(b"\n")
        if not mark:
            raise malformed("bases and a patch")
        said = parse_json(head, max_depth=4)
        text, encoding = 0, None
        if isinstance(said, dict):
            fields = Fields.of(said, "part")
            fields.only("bases", "encoding", "text")
            text, encoding = fields.count("text"), Encoding.of(said["encoding"])
            said = said["bases"]
        bases = Recipe.of(said).parts
        total = max(sum(b.size for b in bases), text)
        if any(base.depth >= depth for base in bases) or total > patches.MAX_BYTES:
            raise malformed("bases that lie less deep and fit the bound")
        return cls(bases, patch, text, encoding)

    def to_bytes(self) -> bytes:
        """The document that `of` reads."""
        said: Any = [base.row() for base in self.bases]
        if self.encoding is not None:
            said = {"bases": said, "encoding": self.encoding.document(), "text": self.text}
        return json.dumps(said, separators=(",", ":")).encode() + b"\n" + self.patch

    def applied(self, old: bytes, size: int) -> bytes:
        """What the bases, joined, become."""
        if self.encoding is None:
            return patches.apply(old, self.patch, size)
        text = patches.apply(encodings.text_of(old), self.patch, self.text)
        return encodings.encoded(self.encoding, text)

    def refuse_another_writer(self) -> None:
        """Say so where the bytes are others because another version of the writer made them."""
        here = encodings.installed()
        if self.encoding is not None and self.encoding.program != here:
            raise encodings.another_writer(self.encoding.program, here)


class _Held:
    """A batch that only holds what it is given."""

    def __init__(self) -> None:
        self.items: dict[Digest, bytes] = {}

    def put(self, digest: Digest, data: bytes | memoryview) -> None:
        self.items[digest] = bytes(data)

    def flush(self) -> None:
        """Nothing: it is taken from."""

    def discard(self) -> None:
        self.items = {}


def writers(recipe: Recipe | None, blobs: Blobs) -> frozenset[str]:
    """Versions of pyarrow that reading a file needs; hints, which nothing is decided by."""
    found: set[str] = set()
    waiting = [] if recipe is None else list(recipe.parts)
    met: set[Digest] = set()
    while waiting:
        part = waiting.pop()
        if part.patch is None or part.patch in met:
            continue
        met.add(part.patch)
        try:
            size = blobs.size(part.patch)
            document = b"".join(blobs.open(part.patch)) if size <= _MAX_PATCH_BYTES else b""
            how = _How.of(document, part.depth)
        except (TrustError, ArtifactError, UnavailableError):
            continue  # reading the part says what is wrong with it
        waiting += how.bases
        found |= set() if how.encoding is None else {how.encoding.program}
    return frozenset(found)


class Keeper:
    """Puts files into the store part by part.

    Args:
        blobs: Where parts lie.
        known: Parts that lie there already, by digest.

    Attributes:
        stored: Bytes that were put into the store so far.
    """

    def __init__(
        self, blobs: HashedBlobs, known: Mapping[Digest, Part], batch: Batch | None = None
    ) -> None:
        self._blobs = blobs
        self._known = dict(known)
        self._batch = batch or blobs.batch()
        self._buffer = chunks.Buffer()
        self.stored = 0

    def keep(self, stream: IO[bytes], base: Recipe | None = None) -> Recipe:
        """The recipe of what ``stream`` gives; durable after `flush`.

        Args:
            stream: Opened at its beginning.
            base: The same file in the version before, which patches are made against.
        """
        work = _Run(self, () if base is None else base.parts)
        for view in self._buffer.pieces(stream):
            digest = Digest(f"sha256:{hashlib.sha256(view).hexdigest()}")
            work.take(digest, view)
        return Recipe(tuple(work.finish()))

    def lasting(self, base: Recipe | None) -> Recipe | None:
        """``base`` where reading it needs no certain writer; what follows then needs none."""
        if base is None or not writers(base, self._blobs):
            return base
        for part in base.parts:
            self._known.pop(part.digest, None)
        return None

    def keep_rows(self, stream: IO[bytes], base: Recipe | None) -> Recipe:
        """As `keep`, for a file that may cost less as what changed in its rows.

        Reading it then needs the very version of pyarrow that wrote it; see `writers`.
        """
        data = b"" if base is None else stream.read(encodings.MAX_BYTES + 1)
        stream.seek(0)
        if base is None or not encodings.may_be(data):
            return self.keep(stream, base)
        held = _Held()
        trial = Keeper(self._blobs, self._known, held)
        by_pages = trial.keep(io.BytesIO(data), base)
        if trial.stored > max(len(data) // _CHEAP, _CHEAP):
            part = self._of_rows(data, base.parts, at_most=trial.stored * 3 // 4)
            if part is not None:
                return Recipe((part,))
        for digest, kept in held.items.items():
            self.put(digest, kept)
        self._known.update(trial._known)
        return by_pages

    def _of_rows(self, data: bytes, bases: tuple[Part, ...], at_most: int) -> Part | None:
        """The part that makes ``data`` again from the rows of older parts, where it is small."""
        depth = 1 + max(base.depth for base in bases)
        found = encodings.recognised(data) if depth <= MAX_DEPTH else None
        if found is None:
            return None
        encoding, text = found
        try:
            old = encodings.text_of(self.old_bytes(bases))
        except (TrustError, ArtifactError, OSError):
            return None
        how = _How(bases, patches.make(old, text), len(text), encoding)
        document = how.to_bytes()
        if len(document) > at_most:
            return None
        name = _digest(document)
        self.put(name, document)
        return Part(_digest(data), len(data), name, depth)

    def put(self, digest: Digest, data: bytes | memoryview) -> Part:
        """A part that is a blob of its own."""
        part = Part(digest, len(data))
        self._known.setdefault(digest, part)
        self._batch.put(digest, data)
        self.stored += len(data)
        return part

    def flush(self) -> None:
        """Make everything durable that was kept so far."""
        self._batch.flush()

    def discard(self) -> None:
        """Forget what was kept since the last `flush`."""
        self._batch.discard()

    def known(self, digest: Digest) -> Part | None:
        """A part that lies in the store already."""
        return self._known.get(digest)

    def old_bytes(self, parts: Sequence[Part]) -> bytes:
        """What older parts hold; unusable ones are no base."""
        return b"".join(part_bytes(part, self._blobs) for part in parts)


class _Run:
    """The parts of one file while it is read; unknown ones wait until a known one follows."""

    def __init__(self, keeper: Keeper, old: Sequence[Part]) -> None:
        self._keeper = keeper
        self._old = old
        self._place = {part.digest: number for number, part in enumerate(old)}
        self._next = 0  # the first old part behind the last one met again
        self._parts: list[Part] = []
        self._new: list[tuple[Digest, bytes]] = []
        self._size = 0

    def take(self, digest: Digest, view: memoryview) -> None:
        part = self._keeper.known(digest)
        if part is None and not self._old:
            self._parts.append(self._keeper.put(digest, view))
            return
        if part is None:
            self._new.append((digest, bytes(view)))
            self._size += len(view)
            if self._size > patches.MAX_BYTES:
                self._close(self._next)
            return
        place = self._place.get(digest, self._next)
        self._close(place)
        self._next = max(self._next, place + 1) if digest in self._place else self._next
        self._parts.append(part)

    def finish(self) -> list[Part]:
        self._close(len(self._old))
        return self._parts

    def _close(self, place: int) -> None:
        """Put what waited into the store: as a patch where that is small, else as it is."""
        waiting, self._new, size, self._size = self._new, [], self._size, 0
        if not waiting:
            return
        between = self._old[self._next : place]
        around = self._old[max(self._next - 1, 0) : place + 1]  # what grew may be like these
        part = self._patched(waiting, size, between or around)
        if part is not None:
            self._parts.append(part)
        else:
            self._parts += [self._keeper.put(digest, data) for digest, data in waiting]

    def _patched(
        self, waiting: list[tuple[Digest, bytes]], size: int, bases: Sequence[Part]
    ) -> Part | None:
        depth = 1 + max((base.depth for base in bases), default=MAX_DEPTH)
        total = sum(base.size for base in bases)
        if depth > MAX_DEPTH or max(size, total) > patches.MAX_BYTES:
            return None
        try:
            old = self._keeper.old_bytes(bases)
        except (TrustError, ArtifactError, OSError):
            return None  # a broken base is no base; `verify` reports it
        new = b"".join(data for _, data in waiting)
        document = _How(tuple(bases), patches.make(old, new)).to_bytes()
        if len(document) > size * _WORTH:
            return None
        name = _digest(document)
        self._keeper.put(name, document)
        digest = waiting[0][0] if len(waiting) == 1 else _digest(new)
        return Part(digest, size, name, depth)


def _digest(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def malformed(expected: str) -> ArtifactError:
    """The refusal of a document of this folder."""
    return ArtifactError(
        "this is no part of a data version",
        rule="documents of versions have exactly the fields of their format",
        expected=expected,
        found="something else",
        hint="restore the store from a backup",
    )
