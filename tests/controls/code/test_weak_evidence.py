"""Which checksums count as weak evidence, in which files."""

from pathlib import Path

import pytest

from hauberk.controls.code.weak_evidence import WeakEvidence
from hauberk.core.artifact import CodeTree, SourceFile

MD5, SHA1, SHA256 = "a" * 32, "b" * 40, "c" * 64


def told(**files):
    sources = [SourceFile(name=p, path=Path(p), text=t) for p, t in files.items()]
    tree = CodeTree(name="t", root=Path("/"), files=lambda: iter(sources))
    return [finding.message for finding in WeakEvidence(max_findings=3).check(tree)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MD5SUMS", f"{MD5}  t.csv\n"),
        ("t.csv.md5", f"{MD5}\n"),
        ("md5sum.txt", f"{MD5} *t.csv\n"),
        ("SHA1SUMS", f"{SHA1}  ./t.csv\n"),
        ("checksums.txt", f"MD5 (t.csv) = {MD5}\n"),
        ("all.sfv", "; comment\nt.csv 0123abcd\n"),
        ("t.csv.dvc", f"outs:\n- md5: {MD5}\n  path: t.csv\n"),
    ],
)
def test_weak_checksums_are_told(name, text):
    (message,) = told(**{name: text})
    assert message.startswith("t.csv is vouched for by")


@pytest.mark.parametrize(
    "files",
    [
        {"SHA256SUMS": f"{SHA256}  t.csv\n", "MD5SUMS": f"{MD5}  t.csv\n"},
        {"t.csv.sha256": f"{SHA256}\n", "t.csv.md5": f"{MD5}\n"},
        {"checksums.txt": f"SHA256 (t.csv) = {SHA256}\n"},
        {"README.md": f"the md5 of t.csv is {MD5}\n"},
        {"train.py": f"MD5 = '{MD5}'\n"},
        {"notes.dvc": "not: [yaml"},
        {"dvc.lock": "stages:\n  a:\n    cmd: x\n"},
    ],
)
def test_strong_evidence_and_other_texts_are_silent(files):
    assert not told(**files)


def test_many_weak_checksums_are_summed_up():
    text = "".join(f"{MD5}  t{n}.csv\n" for n in range(9))
    messages = told(MD5SUMS=text)
    assert len(messages) == 3
    assert messages[-1].endswith("so are 6 more")
