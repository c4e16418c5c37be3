"""MLflow itself, in an environment of its own, loads registered models verified."""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.worlds.servers import absent

from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import generate
from hauberk.trust.registry.requests import read_requests

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-integrations/mlflow/bin/python"

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def private_pem(pair):
    key = serialization.load_der_private_key(pair.pkcs8, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def installed(folder):
    """This project as an installed distribution with its entry points, without copying it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    place = folder / "hauberk-0.0.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: hauberk\nVersion: 0.0.0\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (place / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if not PYTHON.exists():
        absent("MLflow's environment")
    folder = tmp_path_factory.mktemp("mlflow")
    pair, other = generate(), generate()
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    (keys / "key.pem").touch(0o600)
    (keys / "key.pem").write_bytes(private_pem(pair))
    (keys / "key.pub").write_text(pair.public.pem)
    (keys / "other.pub").write_text(other.public.pem)
    site = folder / "site"
    site.mkdir()
    words = ("mlflow_steps.py", folder, keys / "key.pem", keys / "key.pub", keys / "other.pub")
    return run_there(folder, site, *words)


def run_there(folder, site, script, *words):
    """What a script printed in MLflow's environment."""
    done = subprocess.run(
        [PYTHON, ROOT / "tests/integrations" / script, *words],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": f"{ROOT / 'src'}:{installed(site)}",
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "GIT_PYTHON_REFRESH": "quiet",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT "))


def test_without_keys_a_model_loads_as_ever(found):
    assert found["without keys"] == "loaded"


def test_an_unsigned_model_is_refused(found):
    assert found["unsigned"] == "the model is not signed"


def test_a_sealed_model_loads_by_alias_and_by_number_again_and_again(found):
    assert found["sealing"] == 0
    assert found["tag"] == "unattested legacy"
    assert (found["sealed"], found["by number"], found["again"]) == ("loaded",) * 3
    assert found["restored"] == "loaded"


def test_legacy_can_be_refused(found):
    assert found["legacy refused"] == "the model is unattested legacy"


@pytest.mark.parametrize("step", ["other key", "swapped file", "added file", "signature removed"])
def test_a_forged_model_is_refused(found, step):
    assert not found[step].startswith("loaded")
    assert "model" in found[step] or "signature" in found[step]


def test_a_dangerous_model_is_refused_also_without_keys(found):
    assert found["dangerous"] == "the model is dangerous"


def test_an_unreviewed_name_is_refused_until_a_policy_file_lists_it(found):
    assert found["unreviewed"] == "the model holds names that nobody has reviewed"
    assert "shop" in found["allowed"]  # past the gate, and there is no such module
    assert "shop" in found["warned"]


def test_no_payload_ran(found):
    assert found["canary"] is False


def test_aliases_and_tags_become_requests_and_answers_come_back_as_tags(tmp_path):
    if not PYTHON.exists():
        absent("MLflow's environment")
    site = tmp_path / "site"
    site.mkdir()
    found = run_there(tmp_path, site, "mlflow_requests.py", tmp_path)
    requests = read_requests(found["requests"].encode())
    assert [(one.name, one.version, one.asked_by) for one in requests] == [
        ("Loans", "2", "tag hauberk.request"),
        ("Loans", "1", "alias production"),
    ]
    assert digest_bytes(b"weights 1") in requests[1].digests
    assert (found["codes"], found["tag"]) == ([0, 0, 1], "in production")
