"""`hauberk validate` for models of libraries with files of their own, as their users call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hauberk.cli import main


def _points(seed: int, n: int, *, classes: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 2.0, (classes, 4))
    label = rng.integers(0, classes, n)
    rows = centres[label] + rng.normal(size=(n, 4))
    return pd.DataFrame(rows, columns=list("abcd")).assign(kind=label)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    _points(2, 200).to_csv(folder / "test.csv", index=False)
    _points(2, 200, classes=2).to_csv(folder / "two.csv", index=False)
    named = _points(2, 200, classes=2)
    named.assign(kind=np.where(named["kind"] == 1, "yes", "no")).to_csv(
        folder / "words.csv", index=False
    )
    return folder


def _judged(model: Path, data: Path, capsys: Any, *words: str) -> dict[str, Any]:
    base = ["validate", str(model), "--data", str(data), "--label", "kind", "--no-triggers"]
    code = main([*base, "--rows", "60", "--queries", "10", "--format", "json", *words])
    said = capsys.readouterr()
    assert code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def _refused(model: Path, data: Path, capsys: Any, *words: str) -> tuple[int, str]:
    base = ["validate", str(model), "--data", str(data), "--label", "kind", "--no-triggers"]
    code = main([*base, "--rows", "60", "--queries", "10", *words])
    return code, capsys.readouterr().err


# Boosters ------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["test.csv", "two.csv", "words.csv"])
def test_a_lightgbm_file_gives_the_metrics_of_its_booster(table, tmp_path, data, capsys):
    lightgbm = pytest.importorskip("lightgbm")
    train = _points(1, 400, classes=3 if data == "test.csv" else 2)
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1)
    model.fit(train[list("abcd")], train["kind"])
    model.booster_.save_model(tmp_path / "model.txt")
    said = _judged(tmp_path / "model.txt", table / data, capsys)
    rows = pd.read_csv(table / data)
    truth = rows["kind"].map({"no": 0, "yes": 1}) if data == "words.csv" else rows["kind"]
    assert said["metrics"]["accuracy"] == pytest.approx(model.score(rows[list("abcd")], truth))
    assert said["robustness"]["curve"]


@pytest.mark.parametrize("classes", [2, 3])
def test_shadows_of_a_lightgbm_file_are_grown_as_it_was(tmp_path, capsys, classes):
    lightgbm = pytest.importorskip("lightgbm")
    train, test = (_points(seed, 300, classes=classes) for seed in (1, 2))
    rng = np.random.default_rng(3)
    for frame in (train, test):  # labels that only those who were there can know
        frame["kind"] = np.where(
            rng.random(300) < 0.3, rng.integers(0, classes, 300), frame["kind"]
        )
    model = lightgbm.LGBMClassifier(
        n_estimators=60, num_leaves=20, min_child_samples=2, verbose=-1, n_jobs=1
    )
    model.fit(train[list("abcd")], train["kind"])
    model.booster_.save_model(tmp_path / "model.txt")
    for name, frame in (("train", train), ("test", test)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    words = ["--train", str(tmp_path / "train.csv"), "--shadows", "2", "--eps", ""]
    base = ["validate", str(tmp_path / "model.txt"), "--data", str(tmp_path / "test.csv")]
    main([*base, "--label", "kind", "--no-triggers", "--format", "json", *words])
    shadows = json.loads(capsys.readouterr().out)["shadows"]
    assert shadows["shadows"] == 2
    assert shadows["forecast_s"] > 0
    assert shadows["auc"] > 0.7


def _lowered(text: str) -> str:
    """A booster's text with one leaf of three trees lowered."""
    parts = text.split("leaf_value=")
    for place in (1, 4, 7):
        first, _, rest = parts[place].partition(" ")
        parts[place] = f"{float(first) - 1.4} {rest}"
    lines = "leaf_value=".join(parts).splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("tree_sizes="))


@pytest.mark.parametrize(("seed", "is_edited"), [(1, True), (1, False), (5, False)])
def test_a_booster_whose_leaves_were_edited_is_told_from_one_trained_again(
    table, tmp_path, capsys, seed, is_edited
):
    lightgbm = pytest.importorskip("lightgbm")
    for name, of in (("old", 1), ("new", seed)):
        train = _points(of, 400)
        model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1)
        model.fit(train[list("abcd")], train["kind"])
        model.booster_.save_model(tmp_path / f"{name}.txt")
    new = tmp_path / "new.txt"
    new.write_text(_lowered(new.read_text()) if is_edited else new.read_text())
    base = ["validate", str(new), "--data", str(table / "test.csv"), "--label", "kind"]
    previous = str(tmp_path / "old.txt")
    code = main([*base, "--no-triggers", "--eps", "", "--previous", previous])
    assert ("was changed otherwise than by training" in capsys.readouterr().out) is is_edited
    assert code == int(is_edited)


@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_an_xgboost_file_gives_the_metrics_of_its_booster(table, tmp_path, ending, capsys):
    xgboost = pytest.importorskip("xgboost")
    train = _points(1, 400)
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1)
    model.fit(train[list("abcd")], train["kind"])
    model.save_model(tmp_path / f"model.{ending}")
    said = _judged(tmp_path / f"model.{ending}", table / "test.csv", capsys)
    rows = pd.read_csv(table / "test.csv")
    expected = model.score(rows[list("abcd")], rows["kind"])
    assert said["metrics"]["accuracy"] == pytest.approx(expected)


def test_a_booster_of_other_columns_is_an_error_that_names_them(table, tmp_path, capsys):
    lightgbm = pytest.importorskip("lightgbm")
    train = _points(1, 400).rename(columns={"a": "income"})
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1)
    model.fit(train[["income", "b", "c", "d"]], train["kind"])
    model.booster_.save_model(tmp_path / "model.txt")
    code, said = _refused(tmp_path / "model.txt", table / "test.csv", capsys)
    assert code == 1
    assert "income" in said


# Programs of torch ---------------------------------------------------------------------


def _network(torch: Any, *, width: int = 3) -> Any:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, width))
    rows = _points(1, 600, classes=max(width, 2))
    given = torch.tensor(rows[list("abcd")].to_numpy(np.float32))
    truth = torch.tensor(rows["kind"].to_numpy())
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        if width == 1:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                net(given)[:, 0], truth.float()
            )
        else:
            loss = torch.nn.functional.cross_entropy(net(given), truth)
        loss.backward()
        optimiser.step()
    return net.eval()


def _expected(torch: Any, net: Any, data: Path) -> float:
    rows = pd.read_csv(data)
    with torch.no_grad():
        scores = net(torch.tensor(rows[list("abcd")].to_numpy(np.float32)))
    found = scores.argmax(1) if scores.shape[1] > 1 else (scores[:, 0] > 0).long()
    return float((found.numpy() == rows["kind"].to_numpy()).mean())


def test_torchscript_is_scored_and_attacked_along_its_gradients(table, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    net = _network(torch)
    torch.jit.trace(net, torch.zeros(2, 4)).save(str(tmp_path / "net.pt"))
    said = _judged(tmp_path / "net.pt", table / "test.csv", capsys)
    assert said["metrics"]["accuracy"] == pytest.approx(_expected(torch, net, table / "test.csv"))
    assert "pgd" in said["robustness"]["passes"]
    assert said["robustness"]["hides_gradients"] is False


@pytest.mark.parametrize("rows", [None, 8])
def test_an_exported_program_is_scored_whatever_rows_it_takes_at_a_time(
    table, tmp_path, rows, capsys
):
    torch = pytest.importorskip("torch")
    net = _network(torch)
    shapes = ({0: torch.export.Dim("n")},) if rows is None else None
    program = torch.export.export(net, (torch.zeros(rows or 8, 4),), dynamic_shapes=shapes)
    torch.export.save(program, str(tmp_path / "net.pt2"))
    said = _judged(tmp_path / "net.pt2", table / "test.csv", capsys)
    assert said["metrics"]["accuracy"] == pytest.approx(_expected(torch, net, table / "test.csv"))


def test_one_logit_for_two_classes_is_a_classifier(table, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    net = _network(torch, width=1)
    torch.jit.trace(net, torch.zeros(2, 4)).save(str(tmp_path / "net.pt"))
    said = _judged(tmp_path / "net.pt", table / "two.csv", capsys)
    assert said["metrics"]["accuracy"] == pytest.approx(_expected(torch, net, table / "two.csv"))
    assert said["model"]["classes"] == ["0", "1"]


def test_a_state_dictionary_is_refused_with_the_way_out(table, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    torch.save(_network(torch).state_dict(), tmp_path / "weights.pt")
    code, said = _refused(tmp_path / "weights.pt", table / "test.csv", capsys)
    assert code == 1
    assert "torch.jit.trace" in said


def test_a_program_of_pictures_is_given_pictures(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 3)
    )
    torch.jit.trace(net.eval(), torch.zeros(2, 1, 6, 6)).save(str(tmp_path / "net.pt"))
    rng = np.random.default_rng(0)
    names = [f"p{place}" for place in range(36)]
    rows = pd.DataFrame(rng.random((60, 36)), columns=names).assign(kind=np.arange(60) % 3)
    rows.to_csv(tmp_path / "pictures.csv", index=False)
    said = _judged(tmp_path / "net.pt", tmp_path / "pictures.csv", capsys)
    assert "square" in said["robustness"]["passes"]
    again = _judged(tmp_path / "net.pt", tmp_path / "pictures.csv", capsys, "--shape", "1,6,6")
    assert again["metrics"] == said["metrics"]
    code, text = _refused(
        tmp_path / "net.pt", tmp_path / "pictures.csv", capsys, "--shape", "3,6,6"
    )
    assert code == 1
    assert "36 columns" in text


# Graphs that take what there is --------------------------------------------------------


def _graph(nodes: list[Any], constants: list[Any], path: Path) -> Path:
    from onnx import TensorProto, helper

    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in (("x", 4), ("y", None))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def _whole(name: str, *values: int) -> Any:
    from onnx import TensorProto, helper

    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def test_a_graph_that_never_ends_is_ended(table, tmp_path, capsys, monkeypatch):
    from dataclasses import replace

    from onnx import TensorProto, helper

    from hauberk.lifecycle import evaluator

    flag = helper.make_tensor_value_info("go", TensorProto.BOOL, [])
    kept = helper.make_tensor_value_info("old", TensorProto.FLOAT, ["n", 4])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Mul", ["old", "old"], ["new"]),
        ],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []), flag, kept],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("new", TensorProto.FLOAT, ["n", 4]),
        ],
    )
    often = helper.make_tensor("often", TensorProto.INT64, [], [1 << 60])
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    loop = helper.make_node("Loop", ["often", "true", "x"], ["y"], body=body)
    model = _graph([loop], [often, true], tmp_path / "endless.onnx")
    monkeypatch.setattr(evaluator, "LIMITS", replace(evaluator.LIMITS, cpu_s=6.0))
    code, said = _refused(model, table / "test.csv", capsys)
    assert code == 3
    assert "limit" in said


def test_a_graph_that_eats_memory_is_an_error_of_the_model(table, tmp_path, capsys):
    from onnx import helper

    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["vast"]),
        helper.make_node("ReduceSum", ["vast"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    size = _whole("size", 1 << 20, 1 << 20)
    code, said = _refused(_graph(nodes, [size], tmp_path / "vast.onnx"), table / "test.csv", capsys)
    assert code in (1, 3)
    assert said


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError("std::bad_alloc"), True),
        (RuntimeError("can't allocate memory: you tried to allocate 1073741824 bytes"), True),
        (RuntimeError("Failed to allocate memory for requested buffer"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_model_that_asked_for_too_much_memory_is_not_told_to_mind_its_columns(error, is_memory):
    from hauberk.lifecycle.workers.answers import advice

    said = advice(error, "name the columns")
    assert ("more memory" in said) is is_memory
    assert (said == "name the columns") is not is_memory
