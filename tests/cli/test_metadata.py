"""`hauberk metadata`: the log is the truth, the index a help, reading a grant, output inert."""

import csv
import io
import json
import os
import sqlite3
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.lifecycle.production import metadata_door, metadata_index
from hauberk.lifecycle.production.metadata_runs import trace_place
from hauberk.trust.backends import Backends
from hauberk.trust.cache import load_secret
from hauberk.trust.canonical import canonical_json
from hauberk.trust.keys import config_folder
from hauberk.trust.reading import reads
from hauberk.trust.sealing import seal
from hauberk.trust.store import Store

DIGEST = "sha256:" + "a" * 64
HOSTILE = "=cmd|'/c calc'!A1<script>alert(1)</script>\x1b[2J\u202e"


def configuration():
    return config_folder(os.environ, Path.home())


def events(project):
    secret = load_secret(configuration(), project=project, name=metadata_door.SECRET)
    for run, value in (("run-1", 0.7), ("run-2", 0.9)):
        yield {"kind": "run", "run": run, "project": "loans", "code": DIGEST}
        yield {
            "kind": "step",
            "run": run,
            "step": "training",
            "materials": {"train.csv": DIGEST},
            "products": {"model.onnx": DIGEST},
            "envelope": DIGEST,
        }
        yield {"kind": "metric", "run": run, "model": DIGEST, "name": "roc_auc", "value": value}
        yield {"kind": "note", "run": run, "name": "why", "text": HOSTILE}
        sealed = seal(secret, trace_place(run, "traces", 0), b"patient 7: ill")
        yield {"kind": "trace", "run": run, "name": "traces", "row": 0, "sealed": sealed}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "hauberk.toml").write_text('[project]\nname = "loans"\n')
    store = Store.open(folder)
    store.log.append([canonical_json(event) for event in events(folder)])
    metadata_index.refresh(store)
    return folder


def said(capsys, project, *words):
    code = main(["metadata", *map(str, words), "--project", str(project)])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_runs_and_metrics_are_listed_and_compared(project, capsys):
    code, out = said(capsys, project, "runs", "--format", "json")
    assert (code, [row["run"] for row in json.loads(out)["runs"]]) == (0, ["run-1", "run-2"])
    assert "0.9" in said(capsys, project, "show", "last")[1]
    code, out = said(capsys, project, "compare", "run-1", "run-2", "--format", "json")
    (row,) = json.loads(out)["comparison"]
    assert (row["metric"], row["old"], row["new"]) == ("roc_auc", 0.7, 0.9)


def test_steps_show_the_lineage(project, capsys):
    _, out = said(capsys, project, "show", "run-1", "--field", "steps", "--format", "json")
    (step,) = json.loads(out)["steps"]
    assert step["materials"] == {"train.csv": DIGEST}
    assert step["products"] == {"model.onnx": DIGEST}


def test_a_run_that_is_not_there_is_refused(project, capsys):
    assert said(capsys, project, "show", "run-3")[0] == 1


def test_the_index_is_made_again_from_the_log(project, capsys):
    path = metadata_index.path_of(Store.open(project))
    with sqlite3.connect(path) as database:
        database.execute("update metrics set value = 0.99")
    assert "0.99" in said(capsys, project, "show", "run-1")[1]
    code, out = said(capsys, project, "rebuild-index")
    assert (code, out) == (0, "2 runs from 10 records of the log\n")
    assert "0.99" not in said(capsys, project, "show", "run-1")[1]


@pytest.mark.parametrize("damage", [b"not a database", b"", b"SQLite format 3\0" + bytes(200)])
def test_a_damaged_index_is_made_again_at_the_next_refresh(project, damage):
    store = Store.open(project)
    metadata_index.path_of(store).write_bytes(damage)
    assert metadata_index.refresh(store).n_runs == 2


def test_an_index_of_another_log_is_made_again(project, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    store = Store.open(other)
    store.log.append([b'{"kind":"other"}'] * 12)
    path = metadata_index.path_of(store)
    path.write_bytes(metadata_index.path_of(Store.open(project)).read_bytes())
    assert metadata_index.refresh(store).n_runs == 0


def test_the_index_lies_in_postgresql_where_that_is_named(project, postgres):
    backends = Backends(pointers=postgres.address, schema=postgres.schema())
    store = Store.open(project, backends=backends)
    assert metadata_index.refresh(store).n_runs == 2
    assert metadata_index.metrics(store) == (("run-1", "roc_auc", 0.7), ("run-2", "roc_auc", 0.9))
    with store.database.connected() as connection:
        connection.execute(f"update {backends.schema}.state set replayed = 1000")
    assert metadata_index.refresh(store).n_runs == 2
    assert metadata_index.rebuild(store).n_records == 10
    steps = metadata_index.ask(store, "select path from edges where direction = ?", ("products",))
    assert steps == [("model.onnx",)] * 2


# Grants ------------------------------------------------------------------------------------


def token_of(capsys, project, tmp_path, *fields, reader="alice"):
    words = [word for field in fields for word in ("--field", field)]
    code, out = said(capsys, project, "grant", reader, *words)
    assert code == 0
    path = tmp_path / f"{reader}.token"
    path.write_text(out.split("\n")[0])
    return path


def test_once_somebody_was_granted_reading_everybody_needs_a_token(project, tmp_path, capsys):
    token = token_of(capsys, project, tmp_path, "runs", "metrics")
    assert said(capsys, project, "runs")[0] == 1
    assert said(capsys, project, "runs", "--token-file", token)[0] == 0
    assert said(capsys, project, "show", "run-1", "--token-file", token)[0] == 0
    for field in ("notes", "traces", "steps"):
        words = ("show", "run-1", "--field", field, "--token-file", token)
        assert said(capsys, project, *words)[0] == 1


def test_traces_are_opened_for_whoever_was_granted_them_and_for_nobody_else(
    project, tmp_path, capsys
):
    assert said(capsys, project, "show", "run-1", "--field", "traces")[0] == 1
    token = token_of(capsys, project, tmp_path, "traces")
    words = ("show", "run-1", "--field", "traces", "--token-file", token)
    assert "patient 7: ill" in said(capsys, project, *words)[1]
    assert all(b"patient" not in path.read_bytes() for path in project.rglob("*") if path.is_file())


def test_a_trace_moved_to_another_run_does_not_open(project, tmp_path, capsys):
    token = token_of(capsys, project, tmp_path, "traces")
    store = Store.open(project)
    with sqlite3.connect(metadata_index.path_of(store)) as database:
        database.execute("update traces set run = 'run-1'")
    words = ("show", "run-1", "--field", "traces", "--token-file", token)
    code, out = said(capsys, project, *words)
    assert code == 1
    assert "does not open" in out


def test_refused_and_absent_look_the_same(project, tmp_path, capsys):
    token = token_of(capsys, project, tmp_path, "metrics")
    answers = set()
    for words in (("show", "run-1", "--field", "notes"), ("show", "run-9", "--field", "notes")):
        code, out = said(capsys, project, *words, "--token-file", token)
        answers.add((code, out.replace("run-9", "run-1")))
    assert len(answers) == 1


def test_every_call_leaves_a_line_without_the_token(project, tmp_path, capsys):
    token = token_of(capsys, project, tmp_path, "runs")
    said(capsys, project, "runs", "--token-file", token)
    said(capsys, project, "show", "run-1")
    log = metadata_door.reads_log(configuration())
    found = list(reads(log.records()))
    assert [(read.reader, read.allowed, read.n) for read in found] == [
        ("alice", True, 2),
        ("-", False, 0),
    ]
    assert token.read_text().encode() not in b"".join(log.records())


def test_a_grant_ends_by_itself(project, tmp_path, capsys, monkeypatch):
    token = token_of(capsys, project, tmp_path, "runs")
    path = configuration() / "grants.toml"
    text = path.read_text()
    path.write_text(text[: text.index("expires")] + "expires = 2020-01-01T00:00:00Z\n")
    assert said(capsys, project, "runs", "--token-file", token)[0] == 1


@pytest.mark.parametrize(
    "text",
    [
        "[[grant]]\n",
        'grant = "all"\n',
        "not toml",
        '[[grant]]\nreader="a"\ntoken="hkr_x"\nobjects=["loans"]\nfields=["runs"]\nexpires=2099-01-01T00:00:00Z\n',
        f'[[grant]]\nreader="a"\ntoken="{DIGEST}"\nobjects=["*"]\nfields=["runs"]\nexpires=2099-01-01T00:00:00Z\n',
        f'[[grant]]\nreader="a"\ntoken="{DIGEST}"\nobjects=["loans"]\nfields=["all"]\nexpires=2099-01-01T00:00:00Z\n',
        f'[[grant]]\nreader="a"\ntoken="{DIGEST}"\nobjects=["loans"]\nfields=["runs"]\nexpires=2099-01-01\n',
    ],
)
def test_grants_out_of_form_let_nobody_in(project, capsys, text):
    path = configuration() / "grants.toml"
    path.touch(0o600)
    path.write_text(text)
    assert said(capsys, project, "runs")[0] == 2


def test_grants_that_others_can_write_are_refused(project, capsys, tmp_path):
    token_of(capsys, project, tmp_path, "runs")
    (configuration() / "grants.toml").chmod(0o666)
    assert said(capsys, project, "runs")[0] == 1


@pytest.mark.parametrize("days", ["0", "91", "-1", "nan"])
def test_a_grant_without_an_end_is_refused(project, capsys, days):
    assert said(capsys, project, "grant", "bob", "--days", days)[0] == 2


# Output ------------------------------------------------------------------------------------


def test_hostile_text_is_inert_in_every_output(project, capsys):
    words = ("show", "run-1", "--field", "notes", "--format")
    text = said(capsys, project, *words, "text")[1]
    assert "\x1b" not in text
    assert "\u202e" not in text
    (_, row) = csv.reader(io.StringIO(said(capsys, project, *words, "csv")[1], newline=""))
    assert not row[1].startswith(("=", "+", "-", "@"))
    page = said(capsys, project, *words, "html")[1]
    assert "<script>alert" not in page
    assert json.loads(said(capsys, project, *words, "json")[1])["notes"][0]["text"] == HOSTILE


def test_somebody_who_probes_raises_an_alarm(project, tmp_path, capsys):
    token_of(capsys, project, tmp_path, "runs")
    assert said(capsys, project, "reads")[0] == 0
    for number in range(25):
        said(capsys, project, "show", f"run-{number}")
    code, out = said(capsys, project, "reads")
    assert code == 1
    assert "ALARM reads: - made 21 refused calls in a day of loans" in out
