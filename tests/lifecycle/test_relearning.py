"""Networks that are trained anew from their graph, as shadows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from hauberk.cli import main
from hauberk.errors import ArtifactError
from hauberk.lifecycle.workers.relearning import Recipe, own_loss

onnx = pytest.importorskip("onnx")
_COLUMNS = [f"c{place}" for place in range(8)]


def _rows(seed, n=300, noise=0.3):
    """Rows of which a share is labelled by chance: only who was there can know those."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, len(_COLUMNS)))
    kind = (values[:, 0] > 0).astype(int)
    frame = pd.DataFrame(values.astype(np.float32), columns=_COLUMNS)
    frame["kind"] = np.where(rng.random(n) < noise, 1 - kind, kind)
    return frame


def _tables(folder):
    train, test = _rows(1), _rows(2)
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return train


def _perceptron(train, folder, width, rounds):
    """A perceptron of scikit-learn as an ONNX graph."""
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((width,), max_iter=rounds, learning_rate_init=0.01, random_state=0)
    model.fit(train[_COLUMNS].to_numpy(np.float32), train["kind"])
    made = to_onnx(model, train[_COLUMNS].to_numpy(np.float32)[:1], options={"zipmap": False})
    (folder / "model.onnx").write_bytes(made.SerializeToString())


def _validated(folder, capsys, *words, model="model.onnx"):
    base = ["validate", str(folder / model), "--data", str(folder / "test.csv"), "--label", "kind"]
    more = ["--train", str(folder / "train.csv"), "--shadows", "2", "--eps", "", "--no-triggers"]
    code = main([*base, *more, "--format", "json", *words])
    return code, json.loads(capsys.readouterr().out)


def _outcome(said):
    control = "model/exposed-rows"
    return next(one for one in said["assessments"] if one["control"] == control)


def test_the_loss_of_a_model_on_its_rows_leaves_unknown_labels_out():
    scores = np.array([[0.5, 0.5], [0.1, 0.9], [1.0, 0.0]])
    found = own_loss(scores, ["a", "b", "other"], ["a", "b"])
    assert found == pytest.approx((-np.log(0.5) - np.log(0.9)) / 2)
    assert own_loss(scores, ["x", "y", "z"], ["a", "b"]) is None


@pytest.mark.parametrize(
    "given",
    [
        {"epoch": 3},
        {"epochs": 0},
        {"epochs": 2.5},
        {"learning_rate": -1},
        {"learning_rate": float("nan")},
        {"optimizer": "exec"},
        {"batch": True},
        {"is_fixed": True},
    ],
)
def test_a_recipe_that_is_none_is_refused(given):
    with pytest.raises(ArtifactError, match="none for a network"):
        Recipe.of(given)


def test_epochs_of_a_users_recipe_are_all_run():
    assert Recipe.of({"epochs": 7}).is_fixed
    assert not Recipe.of({"batch": 7}).is_fixed


def test_shadows_of_a_graph_of_trees_say_what_to_give_and_are_no_pass(tmp_path, capsys):
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    train = _tables(tmp_path)
    model = RandomForestClassifier(5, random_state=0).fit(train[_COLUMNS].to_numpy(), train["kind"])
    made = to_onnx(model, train[_COLUMNS].to_numpy(np.float32)[:1], options={"zipmap": False})
    (tmp_path / "model.onnx").write_bytes(made.SerializeToString())
    code, said = _validated(tmp_path, capsys)
    assert code == 3
    assert _outcome(said)["outcome"] == "failed"
    reason = _outcome(said)["reason"]
    assert "the estimator's own file" in reason or "torch" in reason


def test_a_recipe_without_shadows_is_a_mistake_of_usage(tmp_path, capsys):
    _tables(tmp_path)
    (tmp_path / "recipe.json").write_text('{"epochs": 3}')
    (tmp_path / "model.onnx").write_bytes(b"")
    words = ["--data", str(tmp_path / "test.csv"), "--label", "kind"]
    recipe = ["--shadow-recipe", str(tmp_path / "recipe.json")]
    assert main(["validate", str(tmp_path / "model.onnx"), *words, *recipe]) == 2
    assert "recipe is for shadow models" in capsys.readouterr().err


def test_shadows_of_a_fitted_estimator_take_no_recipe(tmp_path, capsys):
    import joblib
    from sklearn.linear_model import LogisticRegression

    train = _tables(tmp_path)
    joblib.dump(LogisticRegression().fit(train[_COLUMNS], train["kind"]), tmp_path / "m.joblib")
    (tmp_path / "recipe.json").write_text('{"epochs": 3}')
    recipe = ["--shadow-recipe", str(tmp_path / "recipe.json")]
    code, said = _validated(tmp_path, capsys, *recipe, model="m.joblib")
    assert code == 3
    assert "own settings" in _outcome(said)["reason"]


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize(("rounds", "width", "is_exposed"), [(400, 64, True), (4, 4, False)])
def test_an_overfitted_graph_is_told_from_an_honest_one(
    tmp_path, capsys, rounds, width, is_exposed
):
    pytest.importorskip("torch")
    _perceptron(_tables(tmp_path), tmp_path, width, rounds)
    _, said = _validated(tmp_path, capsys)
    shadows = said["shadows"]
    assert (shadows["auc"] > 0.7) is is_exposed
    assert "adam" in shadows["recipe"]
    assert shadows["forecast_s"] > 0


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch, on TorchScript
@pytest.mark.parametrize("kind", ["pt", "pt2"])
def test_a_program_of_torch_is_trained_anew(tmp_path, capsys, kind):
    torch = pytest.importorskip("torch")
    train = _tables(tmp_path)
    model, rows = _fitted(torch, train)
    name = f"model.{kind}"
    if kind == "pt":
        torch.jit.script(model).save(str(tmp_path / name))
    else:
        sizes = ({0: torch.export.Dim("n")},)
        program = torch.export.export(model, (rows[:4],), dynamic_shapes=sizes)
        torch.export.save(program, str(tmp_path / name))
    _, said = _validated(tmp_path, capsys, model=name)
    assert said["shadows"]["auc"] > 0.7
    (tmp_path / "recipe.json").write_text('{"epochs": 1}')
    recipe = ["--shadow-recipe", str(tmp_path / "recipe.json")]
    _, said = _validated(tmp_path, capsys, *recipe, model=name)
    assert "1 to 1 epochs" in said["shadows"]["recipe"]


def test_a_program_of_a_fixed_number_of_rows_says_how_to_export_it(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    model, rows = _fitted(torch, _tables(tmp_path), epochs=1)
    torch.export.save(torch.export.export(model, (rows[:4],)), str(tmp_path / "model.pt2"))
    code, said = _validated(tmp_path, capsys, model="model.pt2")
    assert code == 3
    assert "dynamic first size" in _outcome(said)["reason"]


def _fitted(torch, train, epochs=120):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
    rows = torch.tensor(train[_COLUMNS].to_numpy())
    codes = torch.tensor(train["kind"].to_numpy())
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(epochs):
        for part in torch.randperm(len(rows)).split(32):
            loss = torch.nn.functional.cross_entropy(model(rows[part]), codes[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval(), rows
