"""Read an OCI image layout that anybody may have written.

Every document is bounded and held against the digest that names it; layers are hashed while
they are read, and the last of a layer's members counts only after the whole layer was the
promised one. Layers may be plain or compressed with gzip.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hauberk.core.artifact import Digest
from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.formats.tar_stream import Kind, Member, members
from hauberk.trust.canonical import parse_json
from hauberk.trust.digest import check, digest_bytes, hex_of, open_regular
from hauberk.trust.durable import read_small
from hauberk.trust.fields import Fields, misfit

LAYOUT_FILE: Final = "oci-layout"
LAYOUT: Final = {"imageLayoutVersion": "1.0.0"}
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
REFERENCE: Final = "org.opencontainers.image.ref.name"
MODELS: Final = "models"
"""The folder of an image that holds the model, as KServe expects it."""

MAX_DOCUMENT_BYTES: Final = 4 << 20
MAX_LAYERS: Final = 512
MAX_RATIO: Final = 200
_SLACK_BYTES: Final = 64 << 20
_PIECE: Final = 1 << 20
_MANIFESTS: Final = frozenset(
    {MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json"}
)
_PLAIN: Final = frozenset({LAYER_TYPE, "application/vnd.docker.image.rootfs.diff.tar"})
_GZIP: Final = frozenset(
    {f"{LAYER_TYPE}+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer as the manifest names it."""

    digest: Digest
    size: int
    is_packed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One image in a layout.

    Attributes:
        digest: Of its manifest.
        tag: Its name in the layout; empty where it has none.
    """

    root: Path
    digest: Digest
    tag: str
    layers: tuple[Layer, ...]


def is_layout(path: Path) -> bool:
    """Whether an image layout lies at ``path``."""
    return (path / LAYOUT_FILE).is_file() and (path / "index.json").is_file()


def open_layout(root: Path, tag: str | None = None) -> Layout:
    """The image with a name, or the only one.

    Raises:
        UsageError: There is none of that name, or several and no name was given.
        ArtifactError: The layout is malformed.
        TrustError: A document is not the one that was named.
        UnavailableError: Something is missing.
    """
    said = Fields.of(_document(root / LAYOUT_FILE), LAYOUT_FILE)
    if said.text("imageLayoutVersion") != LAYOUT["imageLayoutVersion"]:
        raise misfit(LAYOUT_FILE, "version 1.0.0", said.text("imageLayoutVersion"))
    index = Fields.of(_document(root / "index.json"), "index.json")
    entries = [Fields.of(item, where) for where, item in index.items("manifests")]
    found = [one for one in entries if tag is None or _name(one) == tag]
    if len(found) != 1:
        raise UsageError(
            "which image of the layout?",
            subject=str(root),
            expected="the name of one image",
            found=", ".join(ascii(_name(one))[1:-1][:80] for one in entries[:10]) or "no image",
            hint="name it with --tag",
        )
    entry = found[0]
    if entry.text("mediaType") not in _MANIFESTS:
        raise misfit(f"{entry.where}.mediaType", "one image", entry.text("mediaType"))
    digest = entry.digest("digest")
    manifest = _blob(root, digest, entry.count("size"))
    layers = tuple(_layer(Fields.of(item, where)) for where, item in manifest.items("layers"))
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise misfit("manifest.layers", f"1 to {MAX_LAYERS} layers", len(layers))
    return Layout(root=root, digest=digest, tag=_name(entry), layers=layers)


def files(layout: Layout) -> Iterator[Member]:
    """Every regular file of the image below ``models/``, by its name there, in order.

    A layer's last bytes are held against its digest before the next layer begins, and before
    this iterator ends.

    Raises:
        ArtifactError: An archive is broken, packed too densely, or holds links or tricks
            below ``models/``.
        TrustError: A layer is not the promised one.
        UnavailableError: A layer is missing.
    """
    for layer in layout.layers:
        for member in members(_bytes(layout.root, layer)):
            name = member.name.removeprefix("./").rstrip("/")
            if ".." in name.split("/") or name.startswith("/"):
                raise _trick(member, "paths inside the image")
            top, _, below = name.partition("/")
            if top not in (MODELS, f".wh.{MODELS}"):
                continue
            if member.kind is Kind.FOLDER and top == MODELS:
                continue
            if member.kind is not Kind.FILE or not below:
                raise _trick(member, "regular files and folders")
            yield Member(name=below, kind=Kind.FILE, size=member.size, chunks=member.chunks)


def _trick(member: Member, expected: str) -> ArtifactError:
    return ArtifactError(
        "the image holds what no model needs",
        subject=ascii(member.name)[1:-1][:200],
        rule="below models/ an image has regular files, by plain paths",
        expected=expected,
        found=f"a {member.kind.value} of this name",
        hint="export the model again",
    )


def _name(entry: Fields) -> str:
    notes = entry.values.get("annotations")
    return str(notes.get(REFERENCE, "")) if isinstance(notes, dict) else ""


def _layer(fields: Fields) -> Layer:
    kind = fields.text("mediaType")
    if kind not in _PLAIN | _GZIP:
        raise misfit(f"{fields.where}.mediaType", "a tar archive, plain or with gzip", kind)
    return Layer(digest=fields.digest("digest"), size=fields.count("size"), is_packed=kind in _GZIP)


def _document(path: Path) -> object:
    try:
        return parse_json(read_small(path, max_bytes=MAX_DOCUMENT_BYTES))
    except OSError as error:
        if isinstance(error, UnavailableError):
            raise
        raise UnavailableError(
            "a part of the image layout is missing",
            subject=str(path),
            expected="a readable file",
            found=error.strerror or "an error",
            hint="copy the whole layout again",
        ) from error


def _place(root: Path, digest: Digest) -> Path:
    return root / "blobs" / "sha256" / hex_of(digest)


def _blob(root: Path, digest: Digest, size: int) -> Fields:
    if size > MAX_DOCUMENT_BYTES:
        raise misfit("index.json", f"manifests of at most {MAX_DOCUMENT_BYTES} bytes", size)
    with open_regular(_place(root, digest)) as descriptor:
        data = os.read(descriptor, MAX_DOCUMENT_BYTES + 1)
    check(digest_bytes(data), digest, subject="the image's manifest")
    fields = Fields.of(parse_json(data), "manifest")
    kind = fields.values.get("mediaType", MANIFEST_TYPE)
    if kind not in _MANIFESTS:
        raise misfit("manifest.mediaType", "the manifest of one image", kind)
    return fields


def _bytes(root: Path, layer: Layer) -> Iterator[bytes]:
    """A layer's archive; the last piece comes after its digest held."""
    pieces = _checked(root, layer)
    return _unpacked(pieces, layer.size) if layer.is_packed else pieces


def _checked(root: Path, layer: Layer) -> Iterator[bytes]:
    state, size, last = hashlib.sha256(), 0, b""
    with (
        open_regular(_place(root, layer.digest)) as descriptor,
        open(descriptor, "rb", 0, closefd=False) as file,
    ):
        while piece := file.read(_PIECE):
            state.update(piece)
            size += len(piece)
            if last:
                yield last
            last = piece
    if size != layer.size or f"sha256:{state.hexdigest()}" != layer.digest:
        raise TrustError(
            "a layer of the image is not the promised one",
            subject=layer.digest,
            rule="layers have the length and digest that the manifest names",
            expected=f"{layer.size} bytes, {layer.digest}",
            found=f"{size} bytes, sha256:{state.hexdigest()}",
            hint="copy the image again; find out who changed it",
        )
    yield last


def _unpacked(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits=31)
    most, made = size * MAX_RATIO + _SLACK_BYTES, 0
    for piece in pieces:
        data, found = piece, b""
        while data or len(found) == _PIECE:
            try:
                found = decoder.decompress(data, _PIECE)
            except zlib.error as error:
                raise misfit("layer", "bytes packed with gzip", str(error)) from error
            made += len(found)
            if made > most:
                raise misfit("layer", f"at most {most} bytes unpacked", "more")
            yield found
            data = decoder.unconsumed_tail
            if decoder.eof and decoder.unused_data:
                data, decoder = decoder.unused_data, zlib.decompressobj(wbits=31)
    if not decoder.eof:
        raise misfit("layer", "a whole stream of gzip", "one that was cut short")
