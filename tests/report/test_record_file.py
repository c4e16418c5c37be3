import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.example_record import accepted_record, example_record

from hauberk.core.record import RunRecord
from hauberk.errors import ArtifactError
from hauberk.report.record_file import decode, encode


def test_a_record_is_read_as_it_was_written():
    assert decode(encode(accepted_record())) == accepted_record()


def test_equal_records_give_equal_bytes():
    assert encode(example_record()) == encode(example_record())


def test_a_record_of_another_schema_is_refused_by_its_number():
    body = json.loads(encode(accepted_record())) | {"schema": 2}
    with pytest.raises(ArtifactError, match="found: schema 2"):
        decode(json.dumps(body).encode())


def test_a_record_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hauberk.report.record_file.MAX_BYTES", 10)
    with pytest.raises(ArtifactError, match="at most 10 bytes"):
        decode(b" " * 11)


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"\xff\xfe", b"{", b"[" * 100_000])
def test_what_is_no_record_is_refused(data: bytes):
    with pytest.raises(ArtifactError):
        decode(data)


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_but_never_a_crash(position: int, byte: int):
    data = bytearray(encode(accepted_record()))
    data[position % len(data)] = byte
    with suppress(ArtifactError):
        assert isinstance(decode(bytes(data)), RunRecord)
