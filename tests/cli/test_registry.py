"""What `hauberk registry` refuses before it writes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.trust import keys


@pytest.fixture
def place(tmp_path: Path) -> str:
    folder = str(tmp_path / "registry")
    assert main(["registry", "init", "--name", "acme", "--registry", folder]) == 0
    return folder


def test_a_second_registry_in_the_same_place_is_refused(place: str):
    assert main(["registry", "init", "--name", "acme", "--registry", place]) == 2


def test_where_there_is_none_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    nowhere = str(tmp_path / "nowhere")
    assert main(["registry", "status", "--registry", nowhere]) == 3
    assert "there is no registry" in capsys.readouterr().err
    assert main(["registry", "status", "--project", str(tmp_path)]) == 2


def test_a_key_of_a_service_is_named_with_its_public_half(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    where = ["--registry", place]
    assert main(["registry", "resign", *where, "--signer", "awskms:1"]) == 2
    assert "--public-key" in capsys.readouterr().err
    pem = tmp_path / "hsm.pem"
    pem.write_text(keys.generate().public.pem, "utf-8")
    unknown = [*where, "--signer", "floppy:1", "--public-key", str(pem)]
    assert main(["registry", "resign", *unknown]) == 2
    card = tmp_path / "hsm.card"
    words = ["--custodian", "bob", "--machine", "token", "--public-key", str(pem)]
    assert main(["registry", "key", *words, "--out", str(card), *where]) == 0
    public, label = keys.read_card(card.read_bytes())
    assert (public.pem, label.machine) == (pem.read_text("utf-8"), "token")
    assert main(["registry", "grant", str(card), *where]) == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["promote", "m@production"], 2),
        (["promote", "m"], 2),
        (["promote", "../m@1"], 2),
        (["promote", "m@1"], 1),
        (["rollback", "m@1", "--reason", "r"], 1),
        (["retire", "m@1", "--reason", "r"], 1),
        (["revoke-key", "abc", "--reason", "r"], 2),
        (["sign", "production"], 2),
        (["sign", "root"], 2),
        (["history", "M"], 2),
        (["publish", "x"], 2),
        (["grant", "no-such-card"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_wrong_requests_have_their_exit_code(place: str, words: list[str], code: int):
    assert main(["registry", *words, "--registry", place]) == code


def test_a_broken_card_is_refused(place: str, tmp_path: Path):
    for data in (b"", b"{}", b"[]", b"\xff", b'{"public":"x","key_id":"y"}'):
        card = tmp_path / "x.card"
        card.write_bytes(data)
        assert main(["registry", "grant", str(card), "--registry", place]) == 1
