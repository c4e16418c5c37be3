"""The verbs `ci`, `env`, `advisories` and `step`, from outside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.lifecycle.wrapping import FOLDER, masked
from hauberk.methods.secret_forms import Handed


@pytest.mark.parametrize(
    ("host", "path"), [("github", ".github/workflows/hauberk.yml"), ("gitlab", ".gitlab-ci.yml")]
)
def test_a_written_workflow_passes_our_own_scan(tmp_path, host, path, capsys):
    assert main(["ci", host, "--output", str(tmp_path / path)]) == 0
    assert main(["scan", str(tmp_path), "--format", "json", "--fail-on", "low"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.parametrize("path", ["written", "docs/integrations/gitlab.yml"])
def test_every_line_of_a_gitlab_script_is_a_text(path, tmp_path):
    from hauberk.formats.yaml_text import read_yaml

    place = Path(__file__).parents[2] / path
    if path == "written":
        place = tmp_path / ".gitlab-ci.yml"
        assert main(["ci", "gitlab", "--output", str(place)]) == 0
    (root,) = read_yaml(place.read_text("utf-8"), name=path)
    scripts = [job.get("script") for job in root.entries.values() if job.kind == "mapping"]
    lines = [line for script in scripts if script is not None for line in script.items]
    assert lines
    assert all(line.text is not None for line in lines)


def test_an_image_without_a_digest_is_refused(capsys):
    assert main(["ci", "gitlab", "--image", "python:3.12"]) == 2
    assert "sha256" in capsys.readouterr().err


def test_an_environment_is_locked_and_a_change_refused(tmp_path, capsys):
    folder = tmp_path / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    lock = str(tmp_path / "env.lock")
    assert main(["env", "lock", str(tmp_path), "--file", lock]) == 0
    assert main(["env", "verify", str(tmp_path), "--file", lock]) == 0
    (folder / "evil.pth").write_text("import os\n", "utf-8")
    assert main(["env", "verify", str(tmp_path), "--file", lock]) == 1
    assert "evil.pth" in capsys.readouterr().err


def test_advisories_are_imported_and_shown(tmp_path, capsys):
    day = datetime.now(UTC).date().isoformat()
    record = {
        "id": "X",
        "modified": day,
        "affected": [{"package": {"ecosystem": "PyPI", "name": "a"}, "versions": ["1"]}],
    }
    (tmp_path / "x.json").write_text(json.dumps(record), "utf-8")
    kept = str(tmp_path / "kept.gz")
    assert main(["advisories", "import", str(tmp_path), "--output", kept]) == 0
    assert main(["advisories", "show", "--file", kept]) == 0
    assert "0 days old" in capsys.readouterr().out


def test_nothing_of_the_kind_is_a_usage_error(tmp_path):
    assert main(["advisories", "import", str(tmp_path)]) == 2


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "in.txt").write_text("hello\n", "utf-8")
    monkeypatch.setenv("KEY", "very-secret-value")
    return tmp_path


def step(project: Path, *words: str) -> int:
    return main(["step", *words[:1], "--project", str(project), *words[1:]])


def test_a_step_hands_on_what_it_declares_and_its_secrets_are_masked(project, capsys):
    script = 'cat in.txt > out.txt; cat "$KEY_FILE"'
    words = ("make", "--input", "in.txt", "--output", "out.txt", "--secret", "KEY")
    assert step(project, *words, "--", "sh", "-c", script) == 0
    said = json.loads((project / FOLDER / "make.json").read_text("utf-8"))
    assert [subject["name"] for subject in said["subject"]] == ["out.txt"]
    assert "[secret removed]" in capsys.readouterr().out


def test_an_artifact_swapped_between_steps_is_refused(project, capsys):
    make = ("make", "--input", "in.txt", "--output", "out.txt")
    assert step(project, *make, "--", "sh", "-c", "cat in.txt > out.txt") == 0
    (project / "out.txt").write_text("swapped\n", "utf-8")
    take = ("take", "--input", "out.txt", "--output", "end.txt")
    assert step(project, *take, "--", "sh", "-c", "cat out.txt > end.txt") == 1
    assert "make" in capsys.readouterr().err


def test_a_failing_command_keeps_its_exit_code_and_no_statement(project):
    words = ("make", "--input", "in.txt", "--output", "out.txt", "--", "sh", "-c", "exit 7")
    assert step(project, *words) == 7
    assert not (project / FOLDER).exists()


def test_every_line_of_a_secret_is_masked():
    handed = Handed([("KEY", "line-one\nline-two")])
    assert masked(b"a line-one b line-two", handed) == "a [secret removed] b [secret removed]"
