"""Metadata and documents of every broken kind end in a typed error, in bounded time and memory."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import HauberkError, InternalError, TrustError
from hauberk.range.worlds.registered import World, ready
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.client import Client, peek
from hauberk.trust.registry.documents import (
    manifest_bytes,
    pointing_bytes,
    read_manifest,
    read_pointing,
    read_retired,
)
from hauberk.trust.registry.names import parse_reference, parts_of
from hauberk.trust.registry.shelf import open_folder

PRODUCTION = parse_reference("loans@production")
GENEROUS_S = 20.0  # a second on an idle machine; this one may be busy
MEMORY_BYTES = 256 << 20


def files_of(world: World) -> list[str]:
    """Every file that a client reads on its way to production."""
    read: list[str] = []

    class Reading:
        def get(self, name):
            read.append(name)
            return world.files.get(name)

        def list(self, prefix=""):
            return world.files.list(prefix)

        def swap(self, name, value, *, expect):
            raise AssertionError

    place = replace(world.place, files=Reading())
    Client(
        place=place, trust=world.trust, memory=VolatileMemory(), clock=world.clock
    ).refresh().resolve(PRODUCTION)
    return sorted({name for name in read if world.files.get(name)})


WORLD, _ = ready(2)
READ = files_of(WORLD)


def resolved_with(name: str, data: bytes) -> None:
    world = WORLD.clone()
    before = world.files.get(name)
    world.files.swap(name, data, expect=before.tag)
    started, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with pytest.raises(HauberkError) as caught:
            world.view().resolve(PRODUCTION)
    finally:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    assert not isinstance(caught.value, InternalError)
    assert time.perf_counter() - started < GENEROUS_S
    assert grown * 1024 < MEMORY_BYTES


def duplicated(data: bytes) -> bytes:
    return b'{"signatures":[],' + data[1:]


def spaced(data: bytes) -> bytes:
    return json.dumps(json.loads(data), indent=1).encode()


def deep(data: bytes) -> bytes:
    return b'{"signed":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def of_other_types(data: bytes) -> bytes:
    value = json.loads(data)
    for part in (value, value.get("signed", {})):
        for key in list(part):
            part[key] = 7 if not isinstance(part[key], int) else "seven"
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def of_huge_numbers(data: bytes) -> bytes:
    return data.replace(b'"version":', b'"version":9' + b"9" * 5000 + b',"w":', 1)


BREAKS = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "oversized": lambda data: data + b" " * (6 << 20),
    "duplicated-key": duplicated,
    "not-canonical": spaced,
    "deep": deep,
    "other-types": of_other_types,
    "huge-numbers": of_huge_numbers,
    "latin-1": lambda data: data.replace(b"a", b"\xe4", 3),
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "surrogate": lambda data: data.replace(b'"', b'"\\ud800', 1),
    "a list": lambda _: b"[]",
    "nan": lambda _: b'{"signed":NaN}',
    "noise": lambda _: bytes(range(256)) * 40,
}


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("name", READ)
def test_broken_files_are_refused(name: str, how: str):
    data = WORLD.files.get(name).value
    broken = BREAKS[how](data)
    if broken == data:
        pytest.skip("this file has nothing to break so")
    resolved_with(name, broken)


@settings(max_examples=60)
@given(st.data())
def test_no_byte_of_a_file_can_be_changed(data: st.DataObject):
    name = data.draw(st.sampled_from(READ))
    body = bytearray(WORLD.files.get(name).value)
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    resolved_with(name, bytes(body))


@settings(max_examples=25)
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_documents_of_noise_are_malformed(data: bytes):
    for read in (read_manifest, read_pointing, read_retired, peek):
        with pytest.raises(HauberkError):
            read(data)


MANIFEST = json.loads(manifest_bytes(WORLD.view().manifest("loans", "1")[0]))
HELD = {"bytes": 1, "digest": "sha256:" + "0" * 64}


@pytest.mark.parametrize(
    "path",
    [
        "../model.onnx",
        "/etc/passwd",
        "a/../b",
        "a//b",
        "./a",
        "a\\b",
        "a\x00b",
        "a/",
        "",
        "\u202egnp.exe",
        "a" * 5000,
    ],
)
def test_paths_that_lead_elsewhere_are_refused(path: str):
    document = {**MANIFEST, "files": {path: HELD}, "entry": path}
    with pytest.raises(HauberkError):
        read_manifest(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


def test_paths_that_fold_into_one_are_refused():
    files = {"model.onnx": HELD, "MODEL.onnx": HELD}
    document = {**MANIFEST, "files": files, "entry": "model.onnx"}
    from hauberk.trust.canonical import canonical_json

    with pytest.raises(HauberkError, match="files"):
        read_manifest(canonical_json(document))


@pytest.mark.parametrize(
    "path",
    [
        "models/loans/1",
        "models/../1.json",
        "models/LOANS/1.json",
        "models/l\u043eans/1.json",
        "channels/loans/prod.json",
        "retired/a/b.json",
        "other/x.json",
        "models/loans/1.json/..",
    ],
)
def test_paths_of_metadata_have_one_spelling(path: str):
    with pytest.raises(HauberkError):
        parts_of(path)


@pytest.mark.parametrize(
    "change",
    [
        {"move": "rollback"},
        {"highest": 9},
        {"expires": "2030-01-01T00:00:00.000Z"},
        {"sequence": -1},
        {"number": 1.5},
        {"reason": "two\nlines"},
        {"channel": "prod"},
        {"model": "Loans"},
        {"made": "yesterday"},
        {"manifest": "md5:1234"},
        {"extra": 1},
    ],
)
def test_statements_that_contradict_themselves_are_refused(change: dict[str, object]):
    from hauberk.trust.canonical import canonical_json

    said = json.loads(pointing_bytes(WORLD.view().pointing("loans", "production")))
    with pytest.raises(HauberkError):
        read_pointing(canonical_json({**said, **change}))


def test_a_key_under_another_id_counts_for_nothing():
    """One key listed under two ids would make one person's signature count twice."""
    from hauberk.trust.registry.metadata import parse, public_of

    root = parse(WORLD.files.get("metadata/2.root.json").value, "root").signed
    key = next(iter(root.keys.values()))
    key.keyid = "0" * 64
    with pytest.raises(HauberkError, match="another id"):
        public_of(key)


@pytest.mark.parametrize(("keytype", "scheme"), [("rsa", "rsassa-pss-sha256"), ("x", "y")])
def test_keys_of_other_kinds_count_for_nothing(keytype: str, scheme: str):
    from hauberk.trust.registry.metadata import parse, public_of

    root = parse(WORLD.files.get("metadata/2.root.json").value, "root").signed
    key = next(iter(root.keys.values()))
    key.keytype, key.scheme = keytype, scheme
    with pytest.raises(HauberkError):
        public_of(key)


@pytest.mark.parametrize("days", [-40_000.0, -1.0, 2.0, 400.0, 100_000.0])
def test_a_clock_that_jumps_is_refused(days: float):
    world = WORLD.clone()
    world.clock.turn(days)
    with pytest.raises(HauberkError):
        world.view()


def test_links_in_a_folder_are_not_followed(tmp_path):
    place = open_folder(tmp_path / "registry")
    for name in READ:
        place.files.swap(name, WORLD.files.get(name).value, expect=None)
    for digest in WORLD.blobs.list():
        place.blobs.put(WORLD.blobs.open(digest))
    client = Client(place=place, trust=WORLD.trust, memory=VolatileMemory(), clock=WORLD.clock)
    assert client.refresh().resolve(PRODUCTION).manifest.version == "1"
    (tmp_path / "registry" / "metadata").rename(tmp_path / "elsewhere")
    (tmp_path / "registry" / "metadata").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HauberkError, match="link"):
        client.refresh()


def test_a_link_in_place_of_a_file_is_refused_as_one(tmp_path):
    place = open_folder(tmp_path / "registry")
    place.files.swap("metadata/timestamp.json", b"{}", expect=None)
    path = tmp_path / "registry/metadata/timestamp.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError, match="something else lies"):
        place.files.get("metadata/timestamp.json")
