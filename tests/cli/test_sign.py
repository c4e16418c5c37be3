"""`hauberk sign` and `hauberk verify` on models, from the command line."""

import json

import pytest

from hauberk.cli import main


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/w.bin").write_bytes(b"weights")
    return tmp_path / "model"


def test_a_model_is_signed_and_verified_with_the_users_own_key(model, capsys):
    assert main(["sign", "model"]) == 0
    assert main(["verify", "model", "--format", "json"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{") :])["verified"] is True


def test_an_unsigned_file_is_refused_by_name(model, capsys):
    main(["sign", "model"])
    (model / "extra.py").write_text("")
    assert main(["verify", "model"]) == 1
    assert "unsigned extra.py" in capsys.readouterr().err


def test_a_detached_signature_in_shards(model):
    assert main(["sign", "model", "--signature", "det.sig", "--shards", "1KiB"]) == 0
    assert main(["verify", "model", "--signature", "det.sig"]) == 0
    (model / "w.bin").write_bytes(b"weightz")
    assert main(["verify", "model", "--signature", "det.sig"]) == 1


def test_a_file_without_signature_is_refused(model, capsys):
    assert main(["verify", "model/w.bin"]) == 1
    assert "is not signed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["sign", "missing"], 2),
        (["sign", "model", "--shards", "0"], 2),
        (["sign", "model", "--shards", "many"], 2),
        (["sign", "model", "--signer", "hsm:2"], 2),
        (["sign", "model", "--key", "nothing.pem"], 3),
        (["sign", "model", "--keyless"], 3),
    ],
)
def test_what_cannot_be_signed_says_why(model, words, code, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sigstore", None)
    assert main(words) == code
