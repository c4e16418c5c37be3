"""What DVC tracks becomes signed versions; forged outputs are refused."""

import hashlib

import pytest

from hauberk.cli import main
from hauberk.errors import HauberkError
from hauberk.integrations.dvc import check_recorded, outputs


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def track(path, md5sum, kind="hash: md5"):
    lines = ["outs:", f"- md5: {md5sum}", f"  {kind}", f"  path: {path.name}"]
    path.with_name(path.name + ".dvc").write_text("\n".join(lines) + "\n")


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    (folder / "data/images").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "data/rows.csv").write_bytes(b"a,b\n1,2\n")
    (folder / "data/images/1.png").write_bytes(b"one")
    track(folder / "data/rows.csv", md5(b"a,b\n1,2\n"))
    listing = f'[{{"md5": "{md5(b"one")}", "relpath": "1.png"}}]'
    track(folder / "data/images", md5(listing.encode()) + ".dir")
    (folder / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  prep:\n    cmd: x\n    outs:\n"
        f"    - path: out.csv\n      hash: md5\n      md5: {md5(b'out')}\n"
    )
    (folder / "out.csv").write_bytes(b"out")
    return folder


def test_every_output_is_found_and_as_recorded(project):
    found = outputs(project)
    assert [output.path for output in found] == ["data/images", "data/rows.csv", "out.csv"]
    for output in found:
        check_recorded(output, project)


def test_outputs_are_signed_and_verified_and_a_fitting_md5_does_not_help(project, capsys):
    assert main(["init", "--from-dvc"]) == 0
    assert main(["data", "verify", "--from-dvc"]) == 0
    forged = b"a,b\n1,3\n"
    (project / "data/rows.csv").write_bytes(forged)
    track(project / "data/rows.csv", md5(forged))
    for output in outputs(project):
        check_recorded(output, project)
    assert main(["data", "verify", "--from-dvc"]) == 1
    assert "data/rows.csv is not" in capsys.readouterr().err


def test_an_output_that_changed_since_it_was_recorded_is_not_signed(project, capsys):
    (project / "data/images/2.png").write_bytes(b"two")
    assert main(["init", "--from-dvc"]) == 1
    assert "not what DVC recorded" in capsys.readouterr().err


def test_text_of_older_versions_is_compared_with_unix_line_ends(project):
    (project / "old.txt").write_bytes(b"a\r\nb\r\n")
    track(project / "old.txt", md5(b"a\nb\n"), kind="size: 6")
    (output,) = [one for one in outputs(project) if one.path == "old.txt"]
    check_recorded(output, project)


@pytest.mark.parametrize(
    "text",
    [
        "outs:\n- md5: 12\n  path: x\n",
        "outs:\n- path: 5\n  md5: &a x\n",
        f"outs:\n- md5: {'a' * 32}\n  path: ../../etc/passwd\n",
        f"outs:\n- md5: {'a' * 32}\n  path: /etc/passwd\n",
        "outs:\n- x\n",
        "\x00",
    ],
)
def test_a_malformed_file_is_refused(project, text):
    (project / "bad.dvc").write_text(text)
    with pytest.raises(HauberkError):
        outputs(project)


def test_a_project_without_dvc_is_told_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--from-dvc"]) == 2


def test_a_missing_output_is_named(project, capsys):
    (project / "out.csv").unlink()
    assert main(["init", "--from-dvc"]) == 2
    assert "dvc checkout" in capsys.readouterr().err
