"""A finished project's model on its way through a registry, by the commands that people type."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.range.forgeries import Site

MODEL = "tumours"


@pytest.fixture
def ada(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ada's configuration, with the keys that the project was run with."""
    config = tmp_path / "ada"
    shutil.copytree(site.configuration, config / "hauberk")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    return config


@pytest.fixture
def registry(site: Site, ada: Path, tmp_path: Path) -> Path:
    """A registry with Ada and Bob, and the project's release in staging."""
    place, bob, card = tmp_path / "registry", tmp_path / "bob", tmp_path / "bob.card"
    where = ["--registry", str(place), "--project", str(site.root)]
    assert main(["registry", "init", *where, "--custodian", "ada"]) == 0
    assert main(["registry", "publish", *where]) == 0
    with as_user(bob):
        assert (
            main(["registry", "key", "--custodian", "bob", "--machine", "b", "--out", f"{card}"])
            == 0
        )
    assert main(["registry", "grant", str(card), *where]) == 0
    assert main(["root", "show", MODEL, "--out", str(tmp_path / "root.json")]) == 0
    with as_user(bob):
        assert main(["root", "pin", str(tmp_path / "root.json")]) == 0
        assert main(["registry", "sign", "root", "targets", *where]) == 0
    return place


class as_user:  # noqa: N801 - reads as a sentence
    """Another user's configuration, for a ``with`` block."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def __enter__(self) -> None:
        self.before = os.environ["XDG_CONFIG_HOME"]
        os.environ["XDG_CONFIG_HOME"] = str(self.config)

    def __exit__(self, *error: object) -> None:
        os.environ["XDG_CONFIG_HOME"] = self.before


def promote(registry: Path, tmp_path: Path) -> None:
    where = ["--registry", str(registry)]
    assert main(["registry", "promote", f"{MODEL}@1", *where]) == 0
    with as_user(tmp_path / "bob"):
        assert main(["registry", "promote", f"{MODEL}@1", *where]) == 0


def test_a_model_reaches_production_by_two_persons_and_is_recalled(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    where = ["--registry", str(registry)]
    assert main(["verify", f"{MODEL}@production", *where]) == 1
    promote(registry, tmp_path)
    capsys.readouterr()
    assert main(["verify", f"{MODEL}@production", *where, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["version"], said["trust"], said["custody"]) == ("1", "pinned", "2 custodians")
    assert main(["explain", f"{MODEL}@production", *where]) == 0
    said = capsys.readouterr().out
    assert "signed by 2 custodians" in said
    assert "tested: validation.exported" in said
    command = [sys.executable, "-m", "hauberk.cli", "serve", f"{MODEL}@production", *where]
    command += ["--port", "0", "--recheck", "0.2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            if "ready:" in line:
                break
        assert main(["registry", "retire", f"{MODEL}@1", "--reason", "a backdoor", *where]) == 0
        rest, _ = process.communicate(timeout=120)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 1, rest
    assert "retired: a backdoor" in rest
    assert main(["registry", "pull", f"{MODEL}@1", str(tmp_path / "late"), *where]) == 1
    assert not (tmp_path / "late").exists()


def test_what_nobody_attests_is_staged_and_never_promoted(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    where = ["--registry", str(registry)]
    weights = (2).to_bytes(8, "little") + b"{}"
    (tmp_path / "bare.safetensors").write_bytes(weights)
    bare = [str(tmp_path / "bare.safetensors"), "--model", "bare", "--version", "1"]
    root = ["--root", str(tmp_path / "root.json")]
    assert main(["registry", "publish", *bare, *where, *root]) == 0
    assert main(["registry", "pull", "bare@staging", str(tmp_path / "x"), *where, *root]) == 1
    taken = [str(tmp_path / "y"), "--unattested", *where, *root]
    assert main(["registry", "pull", "bare@staging", *taken]) == 0
    assert (tmp_path / "y" / "bare.safetensors").read_bytes() == weights
    capsys.readouterr()
    assert main(["registry", "promote", "bare@1", *where, *root]) == 1
    assert "nobody attests" in capsys.readouterr().err


def test_a_dangerous_model_is_neither_published_nor_left_in_the_registry(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    (tmp_path / "own.pkl").write_bytes(b"\x80\x04cshop.models\nRanker\n)\x81}b.")
    where = ["--registry", str(registry), "--root", str(tmp_path / "root.json")]
    bad = [str(tmp_path / "bad.pkl"), "--model", "bad", "--version", "1"]
    assert main(["registry", "publish", *bad, *where]) == 1
    assert "os.system('id')" in capsys.readouterr().err
    own = [str(tmp_path / "own.pkl"), "--model", "own", "--version", "1"]
    assert main(["registry", "publish", *own, *where]) == 1
    answered = ["--allow", "shop.models.Ranker", "--owner", "me", "--because", "it sorts"]
    assert main(["registry", "publish", *own, *where, *answered]) == 0
    taken = ["registry", "pull", "own@staging", str(tmp_path / "own"), "--unattested", *where]
    assert main(taken) == 1
    assert not (tmp_path / "own").exists()
    assert main([*taken, *answered]) == 0
    assert (tmp_path / "own" / "own.pkl").is_file()


def test_state_and_history_are_told(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    promote(registry, tmp_path)
    where = ["--registry", str(registry)]
    capsys.readouterr()
    assert main(["registry", "status", *where, "--format", "json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state["channels"][MODEL] == {"staging": "1", "production": "1", "retired": []}
    assert {role["role"]: role["persons"] for role in state["roles"]}["production"] == 2
    assert main(["registry", "history", MODEL, *where, "--format", "json"]) == 0
    past = json.loads(capsys.readouterr().out)
    assert len(past["channels"]["production"][0]["signed_by"]) == 2
    assert main(["registry", "resign", *where]) == 0
    forged = next((registry / "targets/channels" / MODEL).glob("*.production.json"))
    metadata = registry / "metadata/1.production.json"
    for path in (forged, metadata):
        genuine = path.read_bytes()
        for content in (genuine + b"\n", b"", b"{}"):
            path.write_bytes(content)
            assert main(["registry", "history", MODEL, *where]) == 1
            shown = capsys.readouterr().err
            assert all(word in shown for word in ("object:", "rule:", "found:", "next:"))
        assert main(["registry", "status", *where]) == 1
        assert "next:" in capsys.readouterr().err
        path.write_bytes(genuine)
    assert main(["registry", "status", *where]) == 0
    assert main(["registry", "history", MODEL, *where]) == 0


def test_nothing_is_signed_for_a_fork(
    registry: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CIRCLECI", "true")
    monkeypatch.setenv("CIRCLE_PR_REPONAME", "tumours")
    assert main(["registry", "resign", "--registry", str(registry)]) == 1
    assert "nothing is signed for a fork" in capsys.readouterr().err


def test_a_version_leaves_as_a_signed_image_and_reaches_a_server_verified(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
):
    from hauberk.integrations.kserve import main as init_step

    promote(registry, tmp_path)
    where = ["--registry", str(registry)]
    image, root = tmp_path / "image", tmp_path / "root.json"
    assert main(["registry", "export", f"{MODEL}@production", str(image), *where]) == 0
    assert main(["registry", "export", f"{MODEL}@production", str(image), *where]) == 2
    assert main(["verify", str(image)]) == 0
    assert main(["verify", str(image), "--root", str(root)]) == 0
    with as_user(tmp_path / "nobody"):
        assert main(["verify", str(image), "--root", str(root)]) == 0
        assert main(["verify", str(image)]) == 3
    assert main(["root", "show", MODEL, "--out", str(tmp_path / "now.json")]) == 0
    monkeypatch.setenv("HAUBERK_REGISTRY", str(registry))
    monkeypatch.setenv("HAUBERK_ROOT", str(tmp_path / "now.json"))
    with as_user(tmp_path / "server"):
        assert init_step([f"hauberk://{MODEL}@production", str(tmp_path / "mnt")]) == 0
        assert (tmp_path / "mnt" / "model.onnx").is_file()
        monkeypatch.setenv("HAUBERK_ROOT", "")
        assert init_step([f"hauberk://{MODEL}@production", str(tmp_path / "other")]) == 2
    assert main(["registry", "retire", f"{MODEL}@1", "--reason", "a backdoor", *where]) == 0
    monkeypatch.setenv("HAUBERK_ROOT", str(tmp_path / "now.json"))
    with as_user(tmp_path / "server"):
        assert init_step([f"hauberk://{MODEL}@production", str(tmp_path / "late")]) == 1
    assert not (tmp_path / "late").exists()
    assert main(["registry", "export", f"{MODEL}@1", str(tmp_path / "late"), *where]) == 1
    assert not (tmp_path / "late").exists()
    capsys.readouterr()
