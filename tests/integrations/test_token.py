"""A key in a PKCS#11 token (SoftHSM) signs models and registries, and every failure is named."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.worlds.servers import absent

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-integrations/keys/bin/python"
LIBRARY = Path("/usr/lib/softhsm/libsofthsm2.so")

pytestmark = [pytest.mark.integration]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if not PYTHON.exists() or not LIBRARY.exists() or shutil.which("softhsm2-util") is None:
        absent("SoftHSM with python-pkcs11")
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "src"),
        "SOFTHSM2_CONF": str(settings),
        "PYKCS11LIB": str(LIBRARY),
    }
    words = ["--init-token", "--free", "--label", "models", "--pin", "123456", "--so-pin", "654321"]
    subprocess.run(["softhsm2-util", *words], env=environment, check=True, capture_output=True)
    done = subprocess.run(
        [PYTHON, ROOT / "tests/integrations/token_steps.py", folder, "models", "123456"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[0].removeprefix("RESULT ")) | {"said": done.stderr}


def test_a_token_signs_a_model_that_its_public_key_verifies(found):
    assert (found["sign"], found["verify"], found["verify with another key"]) == (0, 0, 1)


def test_a_token_holds_a_persons_key_of_a_registry(found):
    assert [found[step] for step in ("registry", "card", "grant", "sign roles")] == [0] * 4


@pytest.mark.parametrize(
    ("step", "code", "word"),
    [
        ("another public key", 1, "the service signed with another key"),
        ("no such token", 3, "No PKCS#11 token found for label nothing"),
        ("no such key", 3, "could not find"),
        ("no number", 2, "cannot be named so"),
        ("cloud without its library", 3, "securesystemslib[awskms]"),
        ("wrong pin", 3, "PinIncorrect"),
        ("open pin", 1, "is open to others"),
        ("no library of the token", 3, "PYKCS11LIB"),
    ],
)
def test_every_failure_has_its_code_and_says_why(found, step, code, word):
    assert found[step] == code
    assert word in found["said"]
