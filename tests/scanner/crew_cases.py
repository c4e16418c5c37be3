"""Files read by several workers: one report whatever their number, and no file ends the scan.

Run by `test_crew`, in a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from datetime import date
from pathlib import Path

import pytest

from hauberk.core.finding import Outcome
from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.formats.hashing import Hashing
from hauberk.formats.spans import open_span, span_of
from hauberk.isolation.crew import Answer, Crew
from hauberk.report import scan_json
from hauberk.scanner import ScanOptions, scan
from hauberk.scanner.looking import look

TODAY = date(2026, 3, 1)
SHELL = b"cos\nsystem\n(S'id'\ntR."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Model files good, bad, empty and unknown, a table, code, a link, and a name in no encoding."""
    root = tmp_path / "models"
    (root / "deeper").mkdir(parents=True)
    for number in range(20):
        (root / f"{number}.pkl").write_bytes(pickle.dumps({"w": list(range(number * 50))}))
    (root / "deeper" / "bad.bin").write_bytes(SHELL)
    (root / "empty.pt").write_bytes(b"")
    (root / "noise.onnx").write_bytes(bytes(range(128, 256)) * 40)
    (root / "rows.csv").write_text("a,b\n" + "1,2\n" * 30)
    (root / "train.py").write_text("import os\n")
    (root / "link.pkl").symlink_to("/etc/passwd")
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.pkl")).write_bytes(SHELL)
    with zipfile.ZipFile(root / "nested.zip", "w") as archive:
        archive.writestr("inside.pkl", SHELL)
    return root


def report(root: Path, jobs: int) -> str:
    return scan_json(scan([root], options=ScanOptions(jobs=jobs, digest=True), today=TODAY))


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_reports_do_not_depend_on_the_number_of_workers(folder: Path, jobs: int) -> None:
    assert report(folder, jobs) == report(folder, 0)


def dying(path: str) -> Answer:
    """Reads like a worker that a hostile file ends."""
    if "killed" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "raises" in path:
        raise RuntimeError(path)
    return {"path": path}


def test_a_file_that_ends_its_worker_is_told_and_the_others_are_read() -> None:
    paths = [f"{number}{'killed' * (number in {3, 40, 41})}" for number in range(60)]
    with Crew(2, dying) as crew:
        answers = list(crew.each(paths))
    assert [path for path, _ in answers] == paths
    died = [path for path, answer in answers if "died" in answer]
    assert died == ["3killed", "40killed", "41killed"]
    assert "SIGKILL" in dict(answers)["3killed"]["died"]


def test_an_error_of_the_reader_ends_its_worker_only() -> None:
    with Crew(2, dying) as crew:
        answers = dict(crew.each(["a", "raises", "b"]))
    assert "died" in answers["raises"]
    assert answers["b"] == {"path": "b"}


def test_a_lost_file_is_not_assessed_and_the_rest_of_the_folder_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fatal(path: str, *, digest: bool) -> Answer:
        if path.endswith("/3.pkl"):
            os.kill(os.getpid(), signal.SIGKILL)
        return look(path, digest=digest)

    monkeypatch.setattr("hauberk.scanner.looking.look", fatal)
    for name in ("deeper/bad.bin", "empty.pt", "noise.onnx", "nested.zip"):
        (folder / name).unlink()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.pkl")).unlink()
    result = scan([folder], options=ScanOptions(jobs=2), today=TODAY)
    failed = [item.path for item in result.assessments if item.outcome is Outcome.FAILED]
    assert failed == [f"{folder}/3.pkl"]
    assert result.summary["exit_code"] == 3


def test_a_worker_that_dies_over_every_file_still_leaves_an_answer_for_each() -> None:
    paths = [f"killed{number}" for number in range(20)]
    with Crew(3, dying) as crew:
        assert all("died" in answer for _, answer in crew.each(paths))


def test_an_abandoned_scan_leaves_no_process(tmp_path: Path) -> None:
    with Crew(2, os.path.basename) as crew:  # type: ignore[arg-type] - text is JSON too
        answers = crew.each(f"/x/{number}" for number in range(10_000))
        assert next(answers) == ("/x/0", "0")
        workers = [worker.pid for worker in crew._workers]
    assert workers
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_interrupted_command_leaves_no_process(tmp_path: Path) -> None:
    words = {f"token{word}": word for word in range(60_000)}
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(words))
    for number in range(1, 200):  # far more work than there will be time for
        os.link(tmp_path / "0.pkl", tmp_path / f"{number}.pkl")
    child = subprocess.Popen(
        [sys.executable, "-m", "hauberk.cli", "scan", str(tmp_path), "--jobs", "2"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    if not children.exists():
        child.kill()
        child.wait()
        pytest.skip("this kernel does not list the children of a process")
    while child.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(120) == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


@pytest.mark.parametrize("order", [(0, 5_000_000), (5_900_000, 10), (3_000_000, 2_000_000, 0)])
def test_the_digest_is_that_of_all_bytes_whatever_order_they_are_read_in(
    order: tuple[int, ...],
) -> None:
    data = bytes(range(251)) * 24_000
    hashing = Hashing()
    with hashing.over(span_of(data)) as span:
        assert all(span.read(start, 100_000) == data[start : start + 100_000] for start in order)
    assert hashing.sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_that_changes_while_it_is_read_is_not_called_clean(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"before")
    with pytest.raises(Exception, match="changed while"), open_span(path, steady=True):
        path.write_bytes(b"and after it")


def fatal(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_gate_outlives_a_reader_that_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hauberk.engine.load_gate._assessment", fatal)
    (tmp_path / "m.pkl").write_bytes(SHELL)
    verdict = scan_model(tmp_path / "m.pkl")
    assert verdict.state is ModelState.NOT_ASSESSED
    assert "SIGKILL" in verdict.reason
    assert verdict.sha256 == hashlib.sha256(SHELL).hexdigest()


def test_a_folder_that_ends_its_reader_is_not_assessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hauberk.formats.hub_folders.judge_folder", fatal)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "m.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    result = scan([tmp_path], options=ScanOptions(jobs=1), today=TODAY)
    failed = [item for item in result.assessments if item.outcome is Outcome.FAILED]
    assert "scanner/locate" in {item.control for item in failed}
    assert result.summary["exit_code"] == 3


def test_a_file_named_through_a_link_is_read_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.pkl").write_bytes(SHELL)
    link = tmp_path / "link.pkl"
    link.symlink_to(tmp_path / "m.pkl")
    found = scan([link], options=ScanOptions(jobs=1), today=TODAY)
    assert found.summary["exit_code"] == 1
    monkeypatch.setattr("hauberk.scanner.looking.kind_of", fatal)
    lost = scan([link], options=ScanOptions(jobs=1), today=TODAY)
    assert [item.outcome for item in lost.assessments] == [Outcome.FAILED]


def test_two_models_beside_each_other_are_read_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("old.npz", "new.npz"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("w.npy", b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }".ljust(117) + b"\n")  # fmt: skip
    monkeypatch.setattr("hauberk.formats.model_parts.model_parts", fatal)
    options = ScanOptions(jobs=1, against=tmp_path / "old.npz")
    result = scan([tmp_path / "new.npz"], options=options, today=TODAY)
    failed = [item for item in result.assessments if item.outcome is Outcome.FAILED]
    assert [item.control for item in failed] == ["scanner/locate"]
