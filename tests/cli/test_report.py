import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.example_record import accepted_record

from hauberk.cli import main
from hauberk.core.record import Attestation, RunRecord
from hauberk.report.record_file import encode


def _store(project: Path, record: RunRecord) -> Path:
    folder = project / ".hauberk" / "runs" / record.run_id
    folder.mkdir(parents=True)
    (folder / "record.json").write_bytes(encode(record))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    record = accepted_record()
    _store(tmp_path, replace(record, run_id="zz-old", project="old", started=1.0))
    _store(tmp_path, replace(record, run_id="aa-new", project="new", started=2.0))
    return tmp_path


def test_report_writes_the_newest_run_beside_its_record(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", "--project", str(project)]) == 0
    page = Path(capsys.readouterr().out.strip())
    assert page == project / ".hauberk/runs/aa-new/report.html"
    assert "<b>new</b>" in page.read_text("utf-8")


def test_report_writes_the_named_run_where_it_is_told(project: Path, tmp_path: Path):
    output = tmp_path / "page.html"
    assert main(["report", "zz-old", "--project", str(project), "--output", str(output)]) == 0
    assert "<b>old</b>" in output.read_text("utf-8")


def test_report_as_text_goes_to_the_terminal_without_colour_when_it_is_none(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", "--project", str(project), "--format", "text"]) == 0
    written = capsys.readouterr().out
    assert written.startswith("Accepted\n")
    assert "\x1b" not in written


@pytest.mark.parametrize("name", ["missing", "../runs/aa-new", ""])
def test_report_on_an_unknown_run_names_those_there_are(
    project: Path, capsys: pytest.CaptureFixture[str], name: str
):
    assert main(["report", name, "--project", str(project)]) == 2
    assert "aa-new, zz-old" in capsys.readouterr().err


def test_report_without_any_run_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", "--project", str(tmp_path)]) == 2
    assert "hauberk run" in capsys.readouterr().err


def test_report_on_the_latest_run_names_a_record_that_it_cannot_read(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    broken = project / ".hauberk/runs/mm-broken/record.json"
    broken.parent.mkdir()
    broken.write_bytes(b"{")
    assert main(["report", "--project", str(project)]) == 0
    assert "mm-broken" in capsys.readouterr().err


def test_report_on_a_broken_record_is_refused(project: Path, capsys: pytest.CaptureFixture[str]):
    broken = project / ".hauberk/runs/mm-broken/record.json"
    broken.parent.mkdir()
    broken.write_bytes(b'{"schema": 1}')
    assert main(["report", "mm-broken", "--project", str(project)]) == 1
    assert "mm-broken" in capsys.readouterr().err


def test_report_into_a_missing_folder_is_a_usage_error_that_leaves_nothing(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "nowhere" / "page.html"
    assert main(["report", "--project", str(project), "--output", str(output)]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not output.parent.exists()


def test_report_takes_the_projects_folder_as_other_verbs_do(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", str(project)]) == 0
    assert "aa-new" in capsys.readouterr().out


def test_report_writes_a_bill_of_materials_beside_the_record(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", "--project", str(project), "--format", "bom"]) == 0
    bill = Path(capsys.readouterr().out.strip())
    assert bill == project / ".hauberk/runs/aa-new/bom.cdx.json"
    assert json.loads(bill.read_text("utf-8"))["metadata"]["component"]["name"] == "new"


def _signed(record: RunRecord) -> RunRecord:
    made = Attestation(
        predicate_type="https://slsa.dev/provenance/v1",
        subjects={},
        envelope=b'{"payload":"e30=", "payloadType":"application/vnd.in-toto+json", "signatures":[]}',
        key_ids=("a",),
    )
    other = replace(made, predicate_type="urn:hauberk:release:v1")
    first, *rest = record.steps
    return replace(record, steps=(replace(first, attestations=(made, other)), *rest))


def test_signed_provenance_is_handed_on_as_it_was_signed(tmp_path: Path):
    _store(tmp_path, _signed(accepted_record()))
    target = tmp_path / "run.jsonl"
    assert main(["report", "--slsa", "--output", str(target), str(tmp_path)]) == 0
    lines = target.read_text("utf-8").splitlines()
    assert [json.loads(line)["payload"] for line in lines] == ["e30="]


def test_a_run_that_signed_nothing_has_no_provenance_to_hand_on(
    project: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["report", "--slsa", str(project)]) == 1
    assert "no signed provenance" in capsys.readouterr().err


def test_bom_is_short_for_its_format(project: Path):
    assert main(["report", "--bom", str(project)]) == 0
    assert (project / ".hauberk/runs/aa-new/bom.cdx.json").exists()
