"""The reference implementation of model signatures, and DVC itself, in environments of their own.

They are made from requirements/integrations by ``make test-integrations``; where one is
missing its tests are skipped, or fail in CI.
"""

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from hauberk.cli import main
from hauberk.trust import keys

BIN = Path(__file__).parents[2] / ".venv-integrations"
pytestmark = pytest.mark.integration


def tool(environment, name):
    path = BIN / environment / "bin" / name
    if not path.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return str(path)


def run(*words, cwd, code=0):
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model/sub").mkdir(parents=True)
    (tmp_path / "model/weights.bin").write_bytes(bytes(range(256)) * 4000)
    (tmp_path / "model/sub/config.json").write_text("{}")
    pair = keys.generate()
    private = serialization.load_der_private_key(pair.pkcs8, None)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "key.pub").write_text(pair.public.pem)
    return tmp_path


def reference(model, verb, *words, code=0):
    path = tool("model-signing", "model_signing")
    return run(path, verb, "key", "model", "--signature", "model.sig", *words, cwd=model, code=code)


def test_the_reference_verifies_what_we_sign(model):
    assert main(["sign", "model", "--key", "key.pem", "--signature", "model.sig"]) == 0
    reference(model, "verify", "--public_key", "key.pub")
    (model / "model/weights.bin").write_bytes(b"other")
    reference(model, "verify", "--public_key", "key.pub", code=1)


def test_we_verify_what_the_reference_signs(model):
    reference(model, "sign", "--private_key", "key.pem")
    words = ["verify", "model", "--signature", "model.sig", "--key", "key.pub"]
    assert main(words) == 0
    (model / "model/extra.bin").write_bytes(b"x")
    assert main(words) == 1


def test_the_reference_verifies_a_signature_inside_the_folder(model):
    assert main(["sign", "model", "--key", "key.pem"]) == 0
    path = tool("model-signing", "model_signing")
    words = ("verify", "key", "model", "--signature", "model/model.sig", "--public_key", "key.pub")
    run(path, *words, "--ignore-paths", "model/model.sig", cwd=model)
    assert main(["verify", "model", "--key", "key.pub"]) == 0


def test_outputs_of_dvc_itself_are_signed_and_a_forged_cache_is_refused(
    tmp_path, monkeypatch, capsys
):
    project = tmp_path / "project"
    (project / "raw").mkdir(parents=True)
    monkeypatch.chdir(project)
    (project / "rows.csv").write_text("a,b\n1,2\n")
    (project / "raw/1.txt").write_text("one")
    (project / "raw/2.txt").write_text("two")
    (project / "dvc.yaml").write_text(
        "stages:\n  prep:\n    cmd: cp rows.csv out.csv\n    deps: [rows.csv]\n"
        "    outs:\n    - out.csv\n"
    )
    dvc = tool("dvc", "dvc")
    run(dvc, "init", "--no-scm", "-q", cwd=project)
    run(dvc, "add", "-q", "rows.csv", "raw", cwd=project)
    run(dvc, "repro", "-q", cwd=project)
    assert main(["init", "--from-dvc"]) == 0
    cached = [p for p in (project / ".dvc/cache").rglob("*") if p.is_file()]
    (blob,) = [p for p in cached if p.read_bytes() == b"one"]
    blob.chmod(0o600)
    blob.write_bytes(b"eno")
    (project / "raw/1.txt").unlink()
    run(dvc, "checkout", "-q", "--force", "raw", cwd=project)
    assert (project / "raw/1.txt").read_bytes() == b"eno"  # delivered without a word
    capsys.readouterr()
    assert main(["data", "verify", "--from-dvc"]) == 1
    assert "changed 1.txt" in capsys.readouterr().err
