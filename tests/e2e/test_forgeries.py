"""`hauberk verify` refuses every forgery of a finished project, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.core.record import Event
from hauberk.errors import TrustError, UnavailableError
from hauberk.lifecycle.production import metadata_index
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.verification import changed_since, verify_project
from hauberk.range import sample
from hauberk.range.forgeries import Forgery, Site, flip_byte, forgeries, play
from hauberk.trust.store import Store


def test_an_honest_project_verifies(site: Site) -> None:
    chain = verify_project(load(site.root), site.configuration)
    assert chain.release.project == sample.NAME
    assert "data/examinations.csv" in chain.rehashed


@pytest.mark.parametrize("forgery", forgeries(sample.RAW), ids=lambda forgery: forgery.name)
def test_a_forgery_is_refused(forgery: Forgery, finished: Site, tmp_path: Path) -> None:
    verdict = play(forgery, finished, tmp_path)
    assert verdict.refused, verdict.words


@pytest.mark.parametrize("name", ["hauberk.toml", "hauberk.lock"])
def test_another_file_than_the_one_that_was_run_is_told(
    site: Site, name: str, xdg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = verify_project(load(site.root), site.configuration)
    assert changed_since(load(site.root), chain) == ()
    assert name not in chain.not_held
    with (site.root / name).open("a") as file:
        file.write("\n")
    assert changed_since(load(site.root), chain) == (name,)
    assert main(["verify", str(site.root)]) == 0
    assert f"{name} IS NOT THE ONE THAT WAS RUN" in capsys.readouterr().out
    assert main(["verify", str(site.root), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["lifecycle_file_as_run"] is (name != "hauberk.toml")
    assert told["lock_file_as_run"] is (name != "hauberk.lock")


@pytest.mark.parametrize("forge", [Path.unlink, flip_byte], ids=["removed", "flipped"])
def test_a_lock_file_that_is_gone_or_damaged_is_told(
    site: Site, forge: Callable[[Path], None]
) -> None:
    chain = verify_project(load(site.root), site.configuration)
    forge(site.root / "hauberk.lock")
    assert changed_since(load(site.root), chain) == ("hauberk.lock",)


def test_a_file_that_no_step_made_does_not_disturb(site: Site) -> None:
    (site.root / "notes.txt").write_text("mine")
    verify_project(load(site.root), site.configuration)


def test_a_product_missing_from_the_folder_is_still_held_by_the_store(site: Site) -> None:
    (site.root / "model.joblib").unlink()
    verify_project(load(site.root), site.configuration)


def test_a_log_that_was_deleted_with_its_index_is_missed(site: Site) -> None:
    shutil.rmtree(site.root / ".hauberk" / "log")
    (site.root / ".hauberk" / "log").mkdir(mode=0o700)
    metadata_index.path_of(Store.open(site.root)).unlink()
    with pytest.raises(TrustError, match="does not hold the steps"):
        verify_project(load(site.root), site.configuration)


@pytest.mark.parametrize(
    ("moment", "version"),
    [
        ("release-meant", 1),
        pytest.param("release-staged", 2, marks=pytest.mark.slow),
        ("component-started monitoring", 2),
    ],
)
def test_a_run_killed_while_it_releases_is_told_and_healed(
    site: Site, moment: str, version: int
) -> None:
    assert killed(site, moment)
    chain = verify_project(load(site.root), site.configuration)
    assert chain.release.sequence == version
    assert "cut short while it released version 2" in chain.unfinished
    record = run(load(site.root), Options(configuration=site.configuration, clock=site.clock))
    assert record.exit_code == 0
    chain = verify_project(load(site.root), site.configuration)
    assert (chain.release.sequence, chain.unfinished) == (3, "")


def killed(site: Site, moment: str) -> bool:
    """Run the project in a process that ends at once when it says ``moment``."""

    def die(event: Event) -> None:
        if f"{event.kind} {event.component or ''}".strip() == moment:
            os._exit(9)

    child = os.fork()
    if child == 0:
        try:
            options = Options(configuration=site.configuration, clock=site.clock, emit=die)
            run(load(site.root), options)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_project_whose_pointers_were_emptied_is_served_and_explained_no_more(
    site: Site, xdg: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.root / ".hauberk/pointers.sqlite").unlink()
    for words in (["verify"], ["explain"], ["serve", "--port", "0"]):
        assert main([*words, str(site.root)]) == 1
        shown = capsys.readouterr().err
        assert "less than was released" in shown
        assert all(word in shown for word in ("object:", "rule:", "expected:", "found:", "next:"))


@pytest.fixture
def xdg(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "xdg"
    shutil.copytree(site.configuration, folder / "hauberk")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


def test_another_users_root_refuses(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        verify_project(load(site.root), tmp_path / "empty")


def test_changed_code_is_refused(site: Site) -> None:
    flip_byte(site.root / "steps" / "train.py")
    with pytest.raises(TrustError, match=r"train\.py"):
        verify_project(load(site.root), site.configuration)


def test_the_command_names_object_rule_and_remedy(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(site.configuration.parent))
    (site.configuration.parent / "hauberk").symlink_to(site.configuration)
    try:
        assert main(["verify", str(site.root)]) == 0
        assert "verified: tumours version 1" in capsys.readouterr().out
        flip_byte(site.root / "data" / "train.csv")
        assert main(["verify", str(site.root)]) == 1
    finally:
        (site.configuration.parent / "hauberk").unlink()
    shown = capsys.readouterr().err
    assert all(word in shown for word in ("object:", "rule:", "expected:", "found:", "next:"))
