"""The verb `layout`: from wrapped steps to a verified pipeline."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from hauberk.cli import main
from hauberk.lifecycle.wrapping import FOLDER

COMMANDS = {
    "make": ("--input", "in.txt", "--output", "out.txt", "--", "cp", "in.txt", "out.txt"),
    "pack": ("--input", "out.txt", "--output", "all.txt", "--", "cp", "out.txt", "all.txt"),
}


def key(folder, name):
    pair = ed25519.Ed25519PrivateKey.generate()
    private = folder / f"{name}.pem"
    private.write_bytes(
        pair.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    private.chmod(0o600)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem = pair.public_key().public_bytes(serialization.Encoding.PEM, form)
    (folder / f"{name}.pub").write_bytes(pem)
    return str(private), str(folder / f"{name}.pub")


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    """Two steps run, declared, signed and linked."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("hello\n", "utf-8")
    owner, builder = key(tmp_path, "owner"), key(tmp_path, "builder")
    for name, words in COMMANDS.items():
        assert main(["step", name, "--level", "observe", *words]) == 0
    assert main(["layout", "propose", "--key", f"builder={builder[1]}"]) == 0
    assert main(["layout", "sign", "ci-layout.toml", "--key", owner[0]]) == 0
    for name in COMMANDS:
        assert main(["layout", "link", name, "--key", builder[0]]) == 0
    return tmp_path


def verify():
    return main(["layout", "verify", "ci.layout", "--owner", "owner.pub"])


def test_a_pipeline_that_did_as_declared_is_accepted(pipeline, capsys):
    assert verify() == 0
    assert "2 steps as declared" in capsys.readouterr().out


def test_a_changed_result_is_refused_by_name(pipeline, capsys):
    (pipeline / "all.txt").write_text("other\n", "utf-8")
    assert verify() == 1
    assert "all.txt is not what pack made" in capsys.readouterr().err


def test_a_missing_step_is_refused(pipeline, capsys):
    (pipeline / ".hauberk/links/pack.link").unlink()
    assert verify() == 1
    assert "pack is missing" in capsys.readouterr().err


def test_an_extra_step_is_refused(pipeline, capsys):
    words = ("--input", "out.txt", "--output", "more.txt", "--", "cp", "out.txt", "more.txt")
    assert main(["step", "more", "--level", "observe", *words]) == 0
    assert main(["layout", "link", "more", "--key", str(pipeline / "builder.pem")]) == 0
    assert verify() == 1
    assert "extra step" in capsys.readouterr().err


def test_a_product_changed_before_signing_is_not_linked(pipeline):
    (pipeline / "out.txt").write_text("other\n", "utf-8")
    assert main(["layout", "link", "make", "--key", str(pipeline / "builder.pem")]) == 1


def test_what_is_no_link_is_refused(pipeline):
    (pipeline / ".hauberk/links/odd.link").write_bytes(b"{}")
    assert verify() == 1


def test_a_step_without_statement_is_a_usage_error(pipeline):
    assert main(["layout", "link", "never", "--key", str(pipeline / "builder.pem")]) == 2
    assert not (pipeline / FOLDER / "never.json").exists()


def test_an_image_without_digest_is_refused(pipeline):
    words = COMMANDS["make"]
    assert main(["step", "make", "--level", "observe", "--image", "py:3", *words]) == 1
