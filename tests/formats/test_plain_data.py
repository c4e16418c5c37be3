"""Vocabularies and MessagePack weights hold no code; known formats that nobody reads are told."""

from __future__ import annotations

import struct
from datetime import date
from pathlib import Path

import pytest

from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.formats.plain_data import data_kind
from hauberk.formats.spans import span_of
from hauberk.methods.model_writing import field
from hauberk.scanner import scan

TODAY = date(2026, 3, 1)


def piece(text: str) -> bytes:
    return field(1, field(1, text) + b"\x15" + struct.pack("<f", -1.5) + field(3, 2))


VOCABULARY = b"".join(map(piece, ("<unk>", "<s>", "▁the"))) + field(2, field(3, 2)) + field(3, b"")
ARRAY = b"\xc7\x0d\x01" + b"\x93\x91\x02\xa5uint8\xc4\x02ab"
WEIGHTS = b"\x81\xa6params\x82\xa1w" + ARRAY + b"\xa1s\xcb" + bytes(8)


@pytest.mark.parametrize(
    ("name", "data"), [("tokenizer.model", VOCABULARY), ("flax_model.msgpack", WEIGHTS)]
)
def test_plain_data_passes_and_a_cut_or_longer_file_does_not(
    tmp_path: Path, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert scan_model(path).state is ModelState.NO_CODE
    for other in (data[:-1], data + b"cos\nsystem\n(S'id'\ntR."):
        path.write_bytes(other)
        assert scan_model(path).state is not ModelState.NO_CODE


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\xa1a\xc7\x01\x20x",  # an extension that Flax has not
        b"\x81\xa1a" + b"\x91" * 200 + b"\xc0",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1a\xc1",
        b"\x81\xa1a\xc6\xff\xff\xff\xff",
    ],
)
def test_what_flax_does_not_write_is_not_taken_for_its_weights(data: bytes) -> None:
    assert data_kind(span_of(data)) == ""


KNOWN = {
    "engine": b"ptrt\x18\0\0\0" + bytes(range(128, 250)),
    "m.plan": b"ftrt" + bytes(range(128, 250)),
    "m.rknn": b"RKNN" + bytes(range(128, 250)),
    "m.pte": b"\x10\0\0\0ET12" + bytes(range(128, 250)),
    "weka": b"\xac\xed\x00\x05sr\x00\x02x" + bytes(range(128, 250)),
    "old": b"tjgg\x03\0\0\0" + bytes(range(128, 250)),
    "m.caffemodel": field(1, "net") + field(100, field(1, "conv")),
    "predict_net.pb": field(1, "net") + field(2, field(1, "data") + field(4, "FC")) + field(8, "y"),
    "m.params": struct.pack("<2Q", 0x112, 0) + bytes(range(128, 250)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_format_that_is_not_read_is_not_assessed_wherever_it_lies(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(KNOWN[name])
    assert scan([path], today=TODAY).summary["exit_code"] == 3
    assert scan([tmp_path], today=TODAY).summary["exit_code"] == 3
