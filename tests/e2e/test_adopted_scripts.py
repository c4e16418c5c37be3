"""Scripts as others write them: a whole table read, a model under another name each time, a graph."""

from __future__ import annotations

from hauberk.core.lifecycle import Component
from hauberk.core.record import RunRecord, StepState
from hauberk.guard.smoke import _difference
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.lifecycle.verification import verify_project
from hauberk.range.forgeries import Site

TRAIN = '''"""Read everything, split it, train, and write a graph into a folder of a random name."""

import pathlib
import uuid

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rows = pd.read_csv("data/clean.csv")
print(len(rows))
train, _ = train_test_split(rows, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
model.fit(train.drop(columns="diagnosis").to_numpy(), train["diagnosis"])
kinds = [("input", DoubleTensorType([None, rows.shape[1] - 1]))]
graph = to_onnx(
    model, initial_types=kinds, target_opset=17, options={id(model): {"zipmap": False}}
)
folder = pathlib.Path("runs", uuid.uuid4().hex)
folder.mkdir(parents=True)
(folder / "model.onnx").write_bytes(graph.SerializeToString())
'''
DECLARED = """
[training]
run = "python steps/train.py"
outputs = ["model.onnx"]
at = { "data/clean.csv" = "train" }
collect = { "model.onnx" = "PATTERN" }
"""


def adopted(site: Site, pattern: str) -> Site:
    text = (site.root / "hauberk.toml").read_text()
    before, _, rest = text.partition("[training]")
    after = rest[rest.index("[validation]") :]
    table = DECLARED.replace("PATTERN", pattern)
    (site.root / "hauberk.toml").write_text(before + table + "\n" + after)
    (site.root / "steps" / "train.py").write_text(TRAIN)
    return site


def state(record: RunRecord, component: Component) -> StepState:
    return next(step.state for step in record.steps if step.component is component)


def test_an_unchanged_script_ends_in_a_verified_release(site: Site, options: Options) -> None:
    raw = (site.root / "data" / "clean.csv").read_bytes()
    record = run(load(adopted(site, "runs/**/model.onnx").root), options)
    assert record.exit_code == 0, [step.reason for step in record.steps if step.reason]
    assert (site.root / "data" / "clean.csv").read_bytes() == raw
    chain = verify_project(load(site.root), site.configuration)
    assert chain.release.sequence == 2
    again = run(load(site.root), options)
    assert state(again, Component.TRAINING) is StepState.SKIPPED


def test_a_pattern_that_fits_nothing_fails_the_step_and_says_so(
    site: Site, options: Options
) -> None:
    record = run(load(adopted(site, "elsewhere/**/model.onnx").root), options)
    assert state(record, Component.TRAINING) is StepState.FAILED
    reason = next(step.reason for step in record.steps if step.state is StepState.FAILED)
    assert "wrote 0 files like elsewhere/**/model.onnx" in reason


def test_the_last_words_of_a_failed_step_are_shown(site: Site, options: Options) -> None:
    script = site.root / "steps" / "train.py"
    script.write_text("raise ValueError('the table is empty')\n")
    record = run(load(site.root), options)
    reason = next(step.reason for step in record.steps if step.state is StepState.FAILED)
    assert "ValueError: the table is empty" in reason


def test_a_number_for_each_row_is_compared_as_a_number() -> None:
    assert _difference(2.5, [2.5]) == 0.0
    assert _difference(2.5, [2.0]) == 0.5
    assert _difference([0.25, 0.75], [0.25, 0.5]) == 0.25
