"""Without the package zstandard nothing that zstd packed passes."""

import sys

import pytest

from hauberk.cli import main
from hauberk.errors import UnavailableError
from hauberk.formats.stream_decoders import ZstdDecoder


def test_the_decoder_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UnavailableError, match=r"hauberk\[zstd\]"):
        ZstdDecoder()


def test_a_packed_model_is_not_assessed(tmp_path, monkeypatch, capsys):
    import zstandard

    packed = tmp_path / "model.pkl.zst"
    packed.write_bytes(zstandard.compress(b"\x80\x04N."))
    assert main(["scan", str(packed)]) == 0
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert main(["scan", str(packed)]) == 3
    assert "the package zstandard" in " ".join(capsys.readouterr().out.split())
