"""`hauberk store check` and `hauberk scan` of settings: folders, documents, a real bucket."""

import json

import pytest
from tests.worlds.servers import signed

from hauberk.cli import main
from hauberk.range.worlds import stores
from hauberk.trust.store import Store

OPEN = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": ["arn:aws:s3:::BUCKET", "arn:aws:s3:::BUCKET/*"],
            }
        ],
    },
    indent=1,
)


def said(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_an_open_policy_is_found_by_scan_and_by_check(tmp_path, capsys):
    path = tmp_path / "bucket.json"
    path.write_text(OPEN)
    for words in (("scan", path), ("store", "check", path)):
        code, out = said(capsys, *words)
        assert code == 1
        assert "anybody may read it" in out


def test_a_safe_policy_passes(tmp_path, capsys):
    path = tmp_path / "bucket.json"
    path.write_text(json.dumps(json.loads(stores.SAFE[7]["policy"]), indent=1))
    assert said(capsys, "store", "check", path)[0] == 0
    assert said(capsys, "scan", path)[0] == 0


def test_a_policy_that_denies_everybody_plain_http_passes_a_scan(tmp_path, capsys):
    path = tmp_path / "bucket.json"
    path.write_text(json.dumps(json.loads(stores.SAFE[6]["policy"]), indent=1))
    assert said(capsys, "scan", path)[0] == 0


def test_a_document_that_is_none_is_no_pass(tmp_path, capsys):
    path = tmp_path / "x.json"
    path.write_text('{"hello": 1}')
    assert said(capsys, "store", "check", path)[0] == 1
    assert said(capsys, "store", "check", tmp_path / "absent")[0] == 2


def test_a_folder_that_everybody_writes_to_is_found(tmp_path, capsys):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "m.onnx").write_bytes(b"x")
    assert said(capsys, "store", "check", folder)[0] == 0
    (folder / "m.onnx").chmod(0o666)
    code, out = said(capsys, "store", "check", folder)
    assert code == 1
    assert "everybody on the machine may write" in out


def test_the_project_s_own_store_is_looked_at(tmp_path, capsys):
    Store.open(tmp_path)
    assert said(capsys, "store", "check", "--project", tmp_path)[0] == 0
    (tmp_path / ".hauberk/blobs").chmod(0o777)
    assert said(capsys, "store", "check", "--project", tmp_path)[0] == 1


@pytest.mark.integration
def test_a_real_bucket_is_judged_by_its_own_documents_and_by_a_stranger(s3, capsys):
    name = s3.bucket()

    def check():
        return said(capsys, "store", "check", f"s3://{name}", "--endpoint", s3.endpoint)

    code, out = check()
    assert code == 0
    assert "nothing says that what is stored is encrypted" in out
    signed(s3.endpoint, "PUT", f"/{name}", query="encryption", body=ENCRYPTION)
    assert check()[0] == 0
    signed(
        s3.endpoint, "PUT", f"/{name}", query="policy", body=OPEN.replace("BUCKET", name).encode()
    )
    code, out = check()
    assert code == 1
    assert "anybody may read it" in out
    assert "a stranger, when it was tried, may list it" in out
    signed(s3.endpoint, "DELETE", f"/{name}", query="policy")
    assert check()[0] == 0
    signed(s3.endpoint, "PUT", f"/{name}", query="acl", headers={"x-amz-acl": "public-read"})
    code, out = check()
    assert code == 1
    assert "grant READ" in out


@pytest.mark.integration
def test_a_bucket_whose_settings_may_not_be_read_is_no_pass(s3, capsys, monkeypatch):
    name = s3.bucket()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    code, out = said(capsys, "store", "check", f"s3://{name}", "--endpoint", s3.endpoint)
    assert code == 3
    assert "NOT JUDGED" in out


ENCRYPTION = (
    b'<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>'
    b"<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"
    b"</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
)
