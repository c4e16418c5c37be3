"""The verbs `ci`, `env`, `advisories` and `step`, from outside."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.lifecycle.wrapping import FOLDER, masked
from hauberk.methods.secret_forms import Handed

LIFECYCLE = """
[project]
name = "loans"

[training]
run = "python steps/train.py"
outputs = ["models/loan model.joblib", "metrics.json"]
metrics = "metrics.json"
"""


@pytest.fixture
def declared(tmp_path):
    """A folder with a lifecycle file."""
    (tmp_path / "hauberk.toml").write_text(LIFECYCLE, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("host", "path"), [("github", ".github/workflows/hauberk.yml"), ("gitlab", ".gitlab-ci.yml")]
)
def test_a_written_workflow_passes_our_own_scan(declared, host, path, capsys):
    assert main(["ci", host, "--project", str(declared), "--output", str(declared / path)]) == 0
    assert main(["scan", str(declared), "--format", "json", "--fail-on", "low"]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


@pytest.mark.parametrize("path", ["written", "docs/integrations/gitlab.yml"])
def test_every_line_of_a_gitlab_script_is_a_text(path, declared):
    from hauberk.formats.yaml_text import read_yaml

    place = Path(__file__).parents[2] / path
    if path == "written":
        place = declared / ".gitlab-ci.yml"
        assert main(["ci", "gitlab", "--project", str(declared), "--output", str(place)]) == 0
    (root,) = read_yaml(place.read_text("utf-8"), name=path)
    scripts = [job.get("script") for job in root.entries.values() if job.kind == "mapping"]
    lines = [line for script in scripts if script is not None for line in script.items]
    assert lines
    assert all(line.text is not None for line in lines)


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_the_model_alone_is_signed_by_a_job_without_the_projects_code(host, declared, capsys):
    assert main(["ci", host, "--project", str(declared)]) == 0
    _, signing = capsys.readouterr().out.rsplit("hauberk run", 1)
    assert "hauberk scan 'models/loan model.joblib'" in signing
    assert "hauberk sign 'models/loan model.joblib' --keyless" in signing
    assert "metrics.json" not in signing
    assert "hauberk run" not in signing


def test_every_action_of_a_written_workflow_is_githubs_own_at_a_commit(declared, capsys):
    assert main(["ci", "github", "--project", str(declared)]) == 0
    uses = re.findall(r"uses: (\S+)", capsys.readouterr().out)
    assert len(uses) == 6
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", name) for name in uses)


@pytest.mark.parametrize("outputs", ['"metrics.json"', '"model.bin\\n- run: x"', '"$HOME"'])
def test_a_lifecycle_without_a_model_in_plain_letters_is_refused(outputs, declared, capsys):
    text = LIFECYCLE.replace('"models/loan model.joblib", "metrics.json"', outputs)
    (declared / "hauberk.toml").write_text(text, "utf-8")
    assert main(["ci", "github", "--project", str(declared)]) == 2
    assert "hauberk.toml" in capsys.readouterr().err


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
