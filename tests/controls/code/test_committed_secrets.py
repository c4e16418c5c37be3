"""Credentials in trees and histories; the secrets here are put together at run time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from hauberk.attacks.code.commit_secret import KINDS, CommitSecret, recoverable
from hauberk.controls.code.committed_secrets import CommittedSecrets
from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.finding import Finding, Level

KEY = "AKIA" + "QZ7LWX2N" * 2
OTHER = "AKIA" + "M3KP7TQD" * 2


def tree(files: Mapping[str, str], history: Mapping[str, str] | None = None) -> CodeTree:
    def read(texts: Mapping[str, str]):
        return (SourceFile(name=n, path=Path(n), text=t) for n, t in sorted(texts.items()))

    return CodeTree(
        name="t",
        root=Path("/nowhere"),
        files=lambda: read(files),
        history=(lambda: read(history)) if history is not None else None,
    )


def found(files: Mapping[str, str], history: Mapping[str, str] | None = None) -> list[Finding]:
    return list(CommittedSecrets().check(tree(files, history)))


def test_a_secret_is_told_by_provider_and_place_and_never_shown():
    [finding] = found({"src/push.py": f'import boto3\n\nkey = "{KEY}"\n'})
    assert (finding.location.line, finding.location.column) == (3, 8)
    assert finding.evidence.facts["provider"] == "AWS"
    assert KEY not in repr(finding)
    assert "Rotate" in finding.remedy


def test_a_password_that_a_person_chose_is_told_without_a_digest():
    [finding] = found({".env": "DB_PASSWORD=Trumpet7!harbour\n"})
    assert "digest" not in finding.evidence.facts


def test_a_secret_that_only_the_history_holds_is_told_once():
    history = {"0a1b2c3d4e5f:a.py": f"k = '{KEY}'", "1a1b2c3d4e5f:b.py": f"z = '{KEY}'"}
    [finding] = found({"a.py": "k = load()"}, history)
    assert finding.path == "0a1b2c3d4e5f:a.py"
    assert "history" in finding.message


def test_the_history_does_not_repeat_what_the_tree_shows():
    assert len(found({"a.py": f"k = '{KEY}'"}, {"0a1b2c3d4e5f:a.py": f"k = '{KEY}'"})) == 1


def test_a_comment_with_a_reason_allows_the_secret_here_and_in_the_history():
    text = f"k = '{KEY}'  # allow: code/committed-secrets revoked, kept for the tests\n"
    assert found({"a.py": text}, {"0a1b2c3d4e5f:a.py": f"k = '{KEY}'"}) == []


def test_a_comment_without_a_reason_allows_nothing():
    assert len(found({"a.py": f"k = '{KEY}'  # allow: code/committed-secrets\n"})) == 1


def test_a_notebook_is_read_by_cell_and_told_by_line_of_the_file():
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {
            "cell_type": "code",
            "source": "show(k)",
            "outputs": [{"output_type": "stream", "text": ["\x1b[31mkey ", f"{KEY}\n"]}],
        },
    ]
    text = json.dumps({"cells": cells, "nbformat": 4}, indent=1)
    [finding] = found({"a.ipynb": text})
    assert finding.location.inner == ("cell 2", "output 1")
    assert KEY in text.split("\n")[finding.location.line - 1]


def test_pictures_in_notebooks_are_no_secrets():
    picture = base64.b64encode(Random(3).randbytes(9000)).decode()
    output = {"output_type": "display_data", "data": {"image/png": f"token={picture}"}}
    cells = [{"cell_type": "code", "source": "plot()", "outputs": [output]}]
    assert found({"a.ipynb": json.dumps({"cells": cells, "nbformat": 4})}) == []


def test_a_notebook_that_is_none_is_read_as_text():
    assert len(found({"a.ipynb": f'{{"cells": "{KEY}'})) == 1


def test_code_that_could_not_be_read_is_said_so():
    subject = tree({})
    subject = CodeTree(
        name="t",
        root=subject.root,
        files=subject.files,
        unread=lambda: [(Path("a.py"), "too large"), (Path("data.csv"), "too large")],
    )
    [finding] = CommittedSecrets().check(subject)
    assert (finding.path, finding.level) == ("a.py", Level.REVIEW)


def test_a_file_full_of_secrets_is_cut_short():
    lines = "\n".join(f"k{n} = '{CommitSecret(kind='aws-key-id')}{KEY}'" for n in range(9))
    findings = list(CommittedSecrets(max_per_file=3).check(tree({"a.py": lines})))
    assert len(findings) == 4
    assert "more than 3" in findings[-1].message


@pytest.mark.parametrize(
    "text",
    [
        "password: changeme",
        "API_KEY=<your-api-key>",
        "token: ${HF_TOKEN}",
        "secret: {{ vault_secret_0A1b2C3d }}",
        "api_key = 'xxxxxxxxxxxxxxxxxxxxxxxx1A'",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "password_hash = 5f4dcc3b5aa765d61d8327deb882cf99",
        "commit_token_digest: 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "pkg==1.0 --hash=sha256:" + "9fceb02d0ae598e9" * 4,
        "secret_name: prod/db/credentials-2024",
        "token: 3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "url: https://user:password@example.com/simple",
        "url: postgresql://postgres:postgres@localhost/db",
        "pad_token: '<|endoftext|>'",
        "tokenizer: bert-base-multilingual-cased-2024",
        "max_tokens: 4096",
        "seen_secret: 1795421362.1752586",
        "password: !vault encrypted-by-Ansible-2024",
        "-----BEGIN PRIVATE KEY-----\n",
    ],
)
def test_stand_ins_names_and_hashes_are_no_secrets(text):
    assert found({"settings.yaml": text + "\n"}) == []


def test_code_that_reads_a_secret_from_elsewhere_is_silent():
    text = (
        'token = os.environ["HF_TOKEN"]\npassword = getpass.getpass()\n'
        "api_key = settings.providers.primary_2024.api_key\nsecret = Secret2024Loader()\n"
    )
    assert found({"a.py": text}) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_found_where_it_was_put(kind):
    attacked = CommitSecret(kind=kind).apply(tree({"a.py": "x = 1\n"}), Random(5))
    assert recoverable(attacked.subject, attacked.truth["secret"])
    findings = list(CommittedSecrets().check(attacked.subject))
    assert attacked.truth["path"] in {finding.path for finding in findings}
    assert attacked.truth["secret"] not in repr(findings)


def test_an_old_secret_is_not_hidden_by_another_in_the_tree():
    findings = found({"a.py": f"k = '{OTHER}'"}, {"0a1b2c3d4e5f:a.py": f"k = '{KEY}'"})
    assert [finding.path for finding in findings] == ["a.py", "0a1b2c3d4e5f:a.py"]
