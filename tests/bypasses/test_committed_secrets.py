"""Ways around the search for credentials that are closed."""

from __future__ import annotations

import json

import pytest

from hauberk.methods.secrets import find_secrets

KEY = "AKIA" + "QZ7LWX2N" * 2
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PRIVATE KEY-----\\n{BODY}",
        json.dumps({"k": json.dumps(f"-----BEGIN PRIVATE KEY-----\n{BODY}")}),
        f'"-----BEGIN RSA PRIVATE KEY-----\\n"\n    "{BODY}"',
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{BODY}",
        f"# -----BEGIN EC PRIVATE KEY-----\n# {BODY}",
    ],
    ids=["escaped", "escaped twice", "joined literals", "with headers", "commented out"],
)
def test_a_private_key_is_found_however_its_lines_end(text):
    assert [secret.provider for secret in find_secrets(text)] == ["private key"]


@pytest.mark.parametrize(
    "text",
    [
        'token = os.getenv("GIT_TOKEN", "LONG")',
        'parser.add_argument("--db-password", default="SHORT")',
        'password: str = "SHORT"',
        "os.environ['API_TOKEN'] = 'LONG'",
        "headers = {'api-key': 'LONG'}",
        "# the password is SHORT.",
    ],
)
def test_a_default_or_subscript_does_not_hide_the_value(text):
    shown = text.replace("LONG", "p9Xc2LmQ7vRt4ZsB1kWd").replace("SHORT", "p9Xc2LmQ7vRt")
    assert len(list(find_secrets(shown))) == 1


def test_a_token_inside_an_address_is_found():
    assert list(find_secrets(f"git+https://{KEY}@host/x"))
