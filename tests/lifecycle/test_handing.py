"""Which secrets a lifecycle file may hand to the proxy, and under which names."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from hauberk.errors import UsageError
from hauberk.lifecycle.handing import credentials_of
from hauberk.lifecycle.layout import Layout
from hauberk.lifecycle.settings import load

FILE = """\
[project]
name = "p"
[acquisition.raw]
uri = "raw.csv"
label = "y"
[training]
run = "python train.py"
outputs = ["model.joblib"]
limits = {{ network = ["tracking.example:5000"], credentials = {{ "{host}" = "{how}" }} }}
"""
ENVIRONMENT = {"HAUBERK_CREDENTIAL_TRACKING": "me:word", "AWS_SECRET_ACCESS_KEY": "x"}


def handed(root: Path, how: str, host: str = "tracking.example:5000", environment=ENVIRONMENT):
    (root / "raw.csv").write_text("x,y\n1,0\n")
    (root / "hauberk.toml").write_text(FILE.format(how=how, host=host))
    settings = load(root)
    return credentials_of(Layout(settings).plan().training, settings, environment)


def test_a_token_is_borne_as_it_is(tmp_path: Path) -> None:
    found = handed(tmp_path, "bearer TRACKING")
    assert found == {"tracking.example:5000": "Bearer me:word"}


def test_user_and_password_are_encoded(tmp_path: Path) -> None:
    found = handed(tmp_path, "basic TRACKING")["tracking.example:5000"]
    assert base64.b64decode(found.removeprefix("Basic ")) == b"me:word"


@pytest.mark.parametrize(
    ("how", "host", "said"),
    [
        ("bearer TRACKING", "elsewhere.example:5000", "may not reach"),
        ("TRACKING", "tracking.example:5000", "another way"),
        ("bearer tracking", "tracking.example:5000", "another way"),
        ("bearer MISSING", "tracking.example:5000", "not there"),
    ],
)
def test_what_cannot_be_handed_is_said(tmp_path: Path, how: str, host: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        handed(tmp_path, how, host)


def test_no_other_variable_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        handed(tmp_path, "bearer AWS_SECRET_ACCESS_KEY")


def test_a_secret_with_a_line_break_is_no_header(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        handed(
            tmp_path, "bearer TRACKING", environment={"HAUBERK_CREDENTIAL_TRACKING": "a\r\nHost: b"}
        )
