from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.core.lifecycle import Component
from hauberk.lifecycle.layout import Layout
from hauberk.lifecycle.settings import load
from hauberk.range import sample


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample project without its lifecycle file, in a path with a space and an umlaut."""
    root = tmp_path / "größe und art"
    sample.write_project(root)
    (root / "hauberk.toml").unlink()
    return root


def test_what_is_proposed_for_a_plain_project_can_be_planned(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(project)]) == 0
    settings = load(project)
    plan = Layout(settings).plan()
    assert list(plan.sources) == ["data/examinations.csv"]
    assert plan.steps[0].table.outputs == ("data/clean.csv",)
    assert plan.model == "model.joblib"
    assert settings.table(Component.TRAINING).metrics == "metrics.json"
    assert "key for release" in capsys.readouterr().out


def test_scripts_of_one_name_become_steps_of_their_own(project: Path) -> None:
    text = (project / "steps" / "clean.py").read_text()
    for folder in ("a", "b"):
        (project / folder).mkdir()
        (project / folder / "clean.py").write_text(text)
    assert main(["init", "--no-keys", str(project)]) == 0
    names = list(load(project).table(Component.PREPROCESSING))
    assert len(set(names)) == 3


def test_a_lifecycle_file_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", "--no-keys", str(project)])
    (project / "hauberk.toml").write_text((project / "hauberk.toml").read_text() + "# mine\n")
    assert main(["init", str(project)]) == 0
    assert (project / "hauberk.toml").read_text().endswith("# mine\n")
    assert "kept hauberk.toml" in capsys.readouterr().out


def test_force_proposes_anew(project: Path) -> None:
    (project / "hauberk.toml").write_text("[project]\nname = 'x'\n")
    assert main(["init", "--force", "--no-keys", str(project)]) == 0
    assert "x" not in load(project).project.name


def test_keys_are_made_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(project)])
    main(["init", str(project)])
    assert "(kept)" in capsys.readouterr().out


def test_an_empty_folder_gets_a_file_with_questions(tmp_path: Path) -> None:
    assert main(["init", "--no-keys", str(tmp_path)]) == 0
    assert "# ? no raw data were found" in (tmp_path / "hauberk.toml").read_text()


def test_a_folder_that_is_not_there_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "none")]) == 2
    assert "no such project folder" in capsys.readouterr().err


def test_scripts_that_do_not_parse_are_passed_over(project: Path) -> None:
    (project / "broken.py").write_text("def (:\n")
    (project / "deep.py").write_text("x = " + "(" * 5000)
    assert main(["init", "--no-keys", str(project)]) == 0


LOGS = """\
import mlflow, pandas
from sklearn.linear_model import Ridge
table = pandas.read_csv("data/examinations.csv")
with mlflow.start_run():
    model = Ridge().fit(table.iloc[:, 1:], table.iloc[:, 0])
    mlflow.sklearn.log_model(model, "model")
"""


def test_a_script_that_logs_its_model_is_a_training(project: Path) -> None:
    for script in (project / "steps").iterdir():
        script.unlink()
    (project / "train.py").write_text(LOGS)
    assert main(["init", "--no-keys", str(project)]) == 0
    table = Layout(load(project)).plan().training.table
    assert table.collect == {"model.skops": "mlruns/**/model.skops"}
    assert table.at == {"data/examinations.csv": "data/train.csv"}
