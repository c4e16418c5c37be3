"""Small subjects of every type: clean ones, on which controls are silent, and hostile ones.

A builder takes an empty folder and gives one subject. Add a builder here when a subject
type, or a corner of one, is missing; every law runs on it from then on.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from hauberk.core.artifact import (
    ClientUpdate,
    CodeTree,
    ColumnChange,
    Comparison,
    Dataset,
    Digest,
    Evaluation,
    Exchange,
    History,
    LogSegment,
    ModelFile,
    ModelFolder,
    PipelineRun,
    RegistryEntry,
    Replay,
    Report,
    SourceFile,
    SplitReplay,
    Splits,
    StepRecord,
    StepUse,
    StoreSettings,
    Summaries,
    Synthesis,
    Transformation,
    Window,
)
from hauberk.errors import ArtifactError
from hauberk.formats.tables import table_of
from hauberk.methods import model_writing
from hauberk.methods.embed import hashed_words
from hauberk.range.scenarios.ex_7 import entries
from hauberk.range.scenarios.pk_2 import visits
from hauberk.range.scenarios.pp_5 import scaled
from hauberk.range.scenarios.va_4 import evaluation
from hauberk.range.scenarios.va_6 import people
from hauberk.range.subjects import digits, tumours
from hauberk.range.worlds import stores
from hauberk.range.worlds.crowds import annotated
from hauberk.range.worlds.drawn import releases
from hauberk.range.worlds.exchanges import exchanges
from hauberk.range.worlds.logs import honest_index, honest_log
from hauberk.range.worlds.outputs import written
from hauberk.range.worlds.registry import Project, entry
from hauberk.range.worlds.reports import honest_report
from hauberk.range.worlds.sites import crawl, sentence
from hauberk.sketches.parts import part_of
from hauberk.sketches.profile import profile_of

Build = Callable[[Path], Any]


# Data sets ---------------------------------------------------------------------------


def mixed_table(_folder: Path, seed: int = 1, n_rows: int = 600) -> Dataset:
    """Numbers, categories and missing cells with a label that follows from them."""
    rng = np.random.default_rng(seed)
    age, income = rng.integers(18, 80, n_rows), rng.normal(50, 12, n_rows).round(2)
    town = rng.choice(["north", "south", "east"], n_rows)
    label = np.where(income + age / 4 > 62, "yes", "no")
    height = rng.normal(170, 9, n_rows).round(1)
    gaps = rng.random(n_rows) < 0.03
    batch = pa.record_batch(
        {
            "age": pa.array(age),
            "income": pa.array(income),
            "height": pa.array(height, mask=gaps),
            "town": pa.array(town),
            "label": pa.array(label),
        }
    )
    batches = [batch.slice(start, 100) for start in range(0, n_rows, 100)]
    return table_of(f"mixed-{seed}", batches, label="label", sensitive=["town"])


def numbers_table(_folder: Path) -> Dataset:
    """Real measurements with a label."""
    return tumours(7)


def pictures(_folder: Path) -> Dataset:
    """Real handwritten digits."""
    return digits(7, 450)


def people_with_labels(_folder: Path) -> Dataset:
    """Digits that honest people labelled, with who they are."""
    return annotated(7, n_items=120)


def crawled_pages(_folder: Path) -> Dataset:
    """Ordinary pages of some domains."""
    return crawl(7, 60)


def texts_beside_outputs(_folder: Path) -> Dataset:
    """Texts of people, with the marks of what a model said."""
    return written(1)


def requests_and_answers(_folder: Path) -> Dataset:
    """What a language model might be taught with."""
    return exchanges(7, 240)


def library_of_passages(_folder: Path) -> Dataset:
    """Texts with a vector for each, as retrieval keeps them."""
    rng = Random(7)
    texts = [" ".join(sentence(rng) for _ in range(3)) for _ in range(60)]
    vectors = pa.array([row.tolist() for row in hashed_words(texts, width=32)])
    return table_of("library", [pa.record_batch({"text": texts, "vector": vectors})])


def honest_answers(folder: Path) -> Summaries:
    """What honest workers hand back of a table in parts."""
    table = mixed_table(folder)
    parts = tuple(part_of(table, place, 3) for place in range(3))
    return Summaries(name="mixed", table=table, parts=parts, again=parts.__getitem__)


def answers_of_noise(folder: Path) -> Summaries:
    """What no worker would say."""
    table = mixed_table(folder)
    parts = (b"", b"\x80\x04.", b"[" * 50_000, b'{"schema": 1, "rows": 1e999}', b"\xff" * 99)
    return Summaries(name="mixed", table=table, parts=parts, again=lambda _: b"")


def table_without_label(folder: Path) -> Dataset:
    """What many people have before they have labels."""
    table = mixed_table(folder)
    return table_of("unlabelled", [batch.drop_columns(["label"]) for batch in table.read()])


def _broken_read() -> Iterator[Any]:
    yield pa.record_batch({"x": [1.0, 2.0], "label": ["a", "b"]})
    raise ArtifactError("the file ends in the middle of a row", subject="cut.csv")


def table_that_breaks_off(_folder: Path) -> Dataset:
    """A file whose end is missing."""
    table = table_of("cut", [next(_broken_read())], label="label")
    return Dataset(name="cut", columns=table.columns, read=_broken_read, label="label")


def table_of_nothing(_folder: Path) -> Dataset:
    """A header and no row."""
    schema = pa.schema([("x", pa.float64()), ("label", pa.string())])
    return table_of("empty", [pa.record_batch([[], []], schema=schema)], label="label")


def table_of_one_row(_folder: Path) -> Dataset:
    """One row, hence one class."""
    return table_of("one", [pa.record_batch({"x": [1.0], "label": ["a"]})], label="label")


def table_of_odd_values(_folder: Path) -> Dataset:
    """NaN, infinities, missing labels, one class, huge numbers, control characters."""
    cells = [float("nan"), float("inf"), -float("inf"), 1e308, None, 0.0] * 20
    words = ["\x00", "a\r\nb", "\u202e", "", None, "a" * 5000] * 20
    labels = ["a", None, "a", "a", "a", "a"] * 20
    batch = pa.record_batch({"x": pa.array(cells), "w": pa.array(words), "label": labels})
    return table_of("odd", [batch], label="label")


def exchanges_of_nonsense(_folder: Path) -> Dataset:
    """Messages that are none, cut JSON, nothing, deep lists and one sign many times."""
    cells = ['[{"role":', "[]", None, "[" * 2_000, "[" + '{"role": 1},' * 3 + "]", "[[1]]"]
    cells += ['[{"role": "user", "content": "a"}, {"role": "assistant", "content": null}]'] * 200
    return table_of("nonsense", [pa.record_batch({"messages": cells, "output": cells[::-1]})])


def table_of_nulls(_folder: Path) -> Dataset:
    """Columns without a single value."""
    batch = pa.record_batch(
        {"x": pa.nulls(50, pa.float64()), "c": pa.nulls(50, pa.string()), "label": ["a", "b"] * 25}
    )
    return table_of("nulls", [batch], label="label")


def comparison(folder: Path) -> Comparison[Dataset]:
    """The same table before and after nothing happened."""
    return Comparison(old=mixed_table(folder), new=mixed_table(folder))


def comparison_without_old(folder: Path) -> Comparison[Dataset]:
    """A first version."""
    return Comparison(old=None, new=mixed_table(folder))


def comparison_of_strangers(folder: Path) -> Comparison[Dataset]:
    """Two tables that share nothing."""
    return Comparison(old=table_of_odd_values(folder), new=numbers_table(folder))


def splits(folder: Path) -> Splits:
    """Two parts of one table without a common row."""
    rows = pa.Table.from_batches(mixed_table(folder, seed=3, n_rows=900).read())
    train = table_of("train", rows.slice(0, 600).to_batches(), label="label")
    return Splits(train=train, test=table_of("test", rows.slice(600).to_batches(), label="label"))


def splits_by_patient(_folder: Path) -> Splits:
    """Other patients, and later days, on the other side."""
    return visits(3)


def honest_split(folder: Path) -> SplitReplay:
    """Parts that were drawn as they say."""
    parts = splits(folder)
    return SplitReplay(parts=parts, again=parts, recipe="sklearn, seed 3")


def split_of_odd_values(folder: Path) -> SplitReplay:
    """Parts that have nothing in common with what was declared."""
    return SplitReplay(
        parts=splits_of_odd_values(folder), again=splits(folder), recipe="sklearn, seed 3"
    )


def splits_of_odd_values(folder: Path) -> Splits:
    """Parts that do not fit each other."""
    return Splits(train=table_of_odd_values(folder), test=table_of_nothing(folder))


def honest_step(_folder: Path) -> Transformation:
    """A step that standardises three columns and says so."""
    return scaled(tumours(7, 200))


def step_of_odd_values(folder: Path) -> Transformation:
    """A contract about columns that are not there, of texts, and of nothing but gaps."""
    odd = table_of_odd_values(folder)
    how = {"mean": 0.0, "scale": 0.0}
    declared = tuple(
        ColumnChange(column=name, deed="standardise", numbers=how) for name in ("x", "w", "gone")
    )
    return Transformation(old=odd, new=odd, declared=declared)


def step_that_breaks_off(folder: Path) -> Transformation:
    """A step whose output is cut short."""
    return Transformation(old=mixed_table(folder), new=table_that_breaks_off(folder), declared=())


def honest_history(_folder: Path) -> History:
    """Releases that append honest rows."""
    return releases(digits(7, 450), 2)


def history_of_odd_values(folder: Path) -> History:
    """Versions of other kinds, and ones that hold hardly anything."""
    return History(versions=(table_of_odd_values(folder), table_of_one_row(folder)))


def history_of_nothing(_folder: Path) -> History:
    """No version at all."""
    return History(versions=())


def synthesis(folder: Path) -> Synthesis:
    """An honest generator: rows drawn as the real ones were."""
    return Synthesis(
        synthetic=mixed_table(folder, seed=4),
        train=mixed_table(folder, seed=5),
        control=mixed_table(folder, seed=6),
    )


def synthesis_of_odd_values(folder: Path) -> Synthesis:
    """Parts that do not fit each other."""
    return Synthesis(
        synthetic=table_of_odd_values(folder),
        train=table_of_odd_values(folder),
        control=table_of_nothing(folder),
    )


# Files -------------------------------------------------------------------------------


def _file(folder: Path, name: str, content: bytes) -> ModelFile:
    path = folder / name
    path.write_bytes(content)
    return ModelFile(name=name, path=path)


def linear_model(folder: Path) -> ModelFile:
    """A small scikit-learn pipeline, as people save it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(np.arange(40.0).reshape(20, 2), [0, 1] * 10)
    return _file(folder, "model.pkl", pickle.dumps(pipeline))


def array_file(folder: Path) -> ModelFile:
    """An array of numbers."""
    np.save(folder / "weights.npy", np.zeros((4, 4), "float32"))
    return ModelFile(name="weights.npy", path=folder / "weights.npy")


def onnx_model(folder: Path) -> ModelFile:
    """A graph of one operator."""
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return _file(folder, "model.onnx", model.SerializeToString())


def honest_evaluation(_folder: Path) -> Evaluation:
    """A model with the metrics that scikit-learn reports of it."""
    return evaluation(3)


@cache
def people_judged_alike(_folder: Path) -> Evaluation:
    """A fair model with the people that it decides on."""
    return people(3)


def accounts_judged_by_a_fitted_model(_folder: Path) -> Evaluation:
    from hauberk.range.worlds.accounts import accounts

    return accounts(3)


def evaluation_of_nonsense(_folder: Path) -> Evaluation:
    """Metrics that nobody knows, and some that cannot be."""
    reported = {"happiness": 1.0, "accuracy": float("nan"), "f1": float("inf"), "": -1.0}
    return replace(evaluation(4), reported=reported)


def report_on_people(_folder: Path) -> Report:
    """Scores and summaries of a model that judges applicants, and rows of the test set."""
    return honest_report(2)


def report_on_tumours(_folder: Path) -> Report:
    """The same of a model that judges measurements."""
    return honest_report(3)


def report_of_odd_signs(folder: Path) -> Report:
    """Numbers beyond all bounds, and words of control characters, beside odd rows."""
    text = (
        "9" * 5000 + " 1e999 -1e-999 . - e5 %%% \x00 \u202e a\r\nb " + "1,000," * 500 + "a" * 5000
    )
    return Report(name="odd", text=text, train=table_of_odd_values(folder))


def report_without_rows(folder: Path) -> Report:
    """Nothing beside a header."""
    return Report(name="none", text="", train=table_of_nothing(folder))


def report_beside_a_cut_table(folder: Path) -> Report:
    """Rows whose end is missing."""
    return Report(name="cut", text="1.0 2.0 a b", train=table_that_breaks_off(folder))


def file_of_noise(folder: Path) -> ModelFile:
    """Bytes without a meaning, under a name that promises one."""
    return _file(folder, "noise.pkl", np.random.default_rng(5).bytes(4096))


def empty_file(folder: Path) -> ModelFile:
    """No bytes."""
    return _file(folder, "empty.onnx", b"")


def cut_zip(folder: Path) -> ModelFile:
    """An archive whose directory lies."""
    return _file(folder, "cut.pt", b"PK\x03\x04" + b"\xff" * 200)


def cut_pickle(folder: Path) -> ModelFile:
    """A pickle that stops in the middle."""
    return _file(folder, "cut.pkl", pickle.dumps({"a": list(range(100))})[:-40])


def same_export(folder: Path) -> Comparison[ModelFile]:
    """A model and its attested export, which are one."""
    return Comparison(old=onnx_model(folder), new=onnx_model(folder))


def export_of_noise(folder: Path) -> Comparison[ModelFile]:
    """Noise against a model."""
    return Comparison(old=onnx_model(folder), new=file_of_noise(folder))


def hub_folder(folder: Path) -> ModelFolder:
    """A configuration, an index and the shard that it names."""
    shard = model_writing.safetensors(
        {"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, b"1"
    )
    (folder / "model-00001-of-00001.safetensors").write_bytes(shard)
    index = {"metadata": {}, "weight_map": {"w": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    return ModelFolder(name="m", path=folder)


def folder_of_noise(folder: Path) -> ModelFolder:
    """Configurations, an index and a shard of noise."""
    noise = np.random.default_rng(6).bytes(500)
    for name in ("config.json", "a.index.json", "m.onnx", "x.py", "SHA256SUMS", "w.safetensors"):
        (folder / name).write_bytes(noise)
    (folder / "loop").symlink_to(folder)
    return ModelFolder(name="m", path=folder)


def missing_file(folder: Path) -> ModelFile:
    """A name without a file."""
    return ModelFile(name="gone.pkl", path=folder / "gone.pkl")


# Code --------------------------------------------------------------------------------

_TRAIN = '''"""Train a model."""

import json

from sklearn.linear_model import LogisticRegression


def main(path: str) -> None:
    """Fit and keep the score."""
    rows = json.loads(open(path, encoding="utf-8").read())
    model = LogisticRegression().fit(rows["x"], rows["y"])
    print(model.score(rows["x"], rows["y"]))
'''


def _tree(folder: Path, files: dict[str, str]) -> CodeTree:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def read() -> Iterator[SourceFile]:
        for name in sorted(files):
            yield SourceFile(name=name, path=Path(name), text=files[name])

    return CodeTree(name="project", root=folder, files=read)


def small_project(folder: Path) -> CodeTree:
    """A harmless training script with its settings."""
    return _tree(
        folder,
        {
            "train.py": _TRAIN,
            "README.md": "# Project\n\nTrain with `python train.py`.\n",
            "config.yaml": "model:\n  alpha: 0.1\n  password_file: /run/secrets/db\n",
            "requirements.txt": "scikit-learn==1.5.2 --hash=sha256:" + "0" * 64 + "\n",
        },
    )


def odd_project(folder: Path) -> CodeTree:
    """Files that do not parse, and one that is deep."""
    return _tree(
        folder,
        {
            "broken.py": "def (:\n",
            "deep.py": "x = " + "(" * 150 + "1" + ")" * 150 + "\n",
            "nul.py": "a = '\x00'\n",
            "book.ipynb": '{"cells": [',
            "empty.py": "",
            "list.ipynb": "[]",
            "bom.json": "\ufeff{}",
        },
    )


def source_file(_folder: Path) -> SourceFile:
    """A harmless script."""
    return SourceFile(name="train.py", path=Path("train.py"), text=_TRAIN)


def broken_source(_folder: Path) -> SourceFile:
    """A script that does not parse."""
    return SourceFile(name="a.py", path=Path("a.py"), text="def (:\n\x00", lossy=True)


# Runs, registries, logs --------------------------------------------------------------


def _digest(letter: str) -> Digest:
    return Digest("sha256:" + letter * 64)


def connected_run(_folder: Path) -> PipelineRun:
    """Two steps, the second of which takes what the first made."""
    make = StepRecord(
        name="train",
        command=("python", "train.py"),
        materials={"data.csv": _digest("a")},
        products={"model.onnx": _digest("b")},
    )
    take = StepRecord(
        name="package",
        command=("python", "package.py"),
        materials={"model.onnx": _digest("b")},
        products={"bundle.zip": _digest("c")},
    )
    return PipelineRun(name="run", steps=(make, take))


def run_without_steps(_folder: Path) -> PipelineRun:
    """Nothing ran."""
    return PipelineRun(name="run", steps=())


def run_of_odd_names(_folder: Path) -> PipelineRun:
    """Digests and paths that are none."""
    step = StepRecord(
        name="\x1b[31m",
        command=(),
        materials={"../../x": Digest("nope")},
        products={"": Digest("")},
    )
    return PipelineRun(name="run", steps=(step, step))


def modest_use(_folder: Path) -> StepUse:
    """A step that used as much as ever, with a helper of the system."""
    return StepUse(
        name="training",
        cpu_s=1.02,
        children={"/usr/bin/uname": 1},
        denials=(),
        own=("/srv/step",),
        earlier=(1.0, 1.01, 0.99, 1.0, 1.03),
    )


def use_of_nonsense(_folder: Path) -> StepUse:
    """Numbers and names that are none."""
    return StepUse(
        name="",
        cpu_s=float("nan"),
        children={"\x1b[31m": -1, "": 0},
        programs=("",),
        denials=("\x00",) * 1000,
        earlier=(float("inf"), -1.0, 0.0, 0.0, float("nan")),
    )


def honest_replay(_folder: Path) -> Replay:
    """A training that gave the same again."""
    states = {"state 1": _digest("a"), "model.onnx": _digest("b")}
    losses = {
        name: tuple(2.0 / (at + 1) + 0.01 * (at % number) for at in range(20))
        for name, number in (("a", 2), ("b", 3), ("c", 5))
    }
    return Replay(
        name="training",
        committed=states,
        repeated=states,
        segments=19,
        drawn=(0,),
        losses=losses,
    )


def replay_of_nonsense(_folder: Path) -> Replay:
    """Digests and names that are none."""
    return Replay(
        name="",
        committed={"": Digest("x")},
        repeated={"\x00": Digest("")},
        segments=-1,
        losses={"": (float("nan"),) * 30, "\x1b[31m": (float("inf"),) * 30, "c": (-1e308,) * 30},
        first_state=-5,
    )


def quiet_update(_folder: Path) -> ClientUpdate:
    """Noise around a small mean, and the rows behind it."""
    rng = np.random.default_rng(3)
    parts = {"a.weight": rng.normal(0, 1, (20, 400)), "a.bias": rng.normal(0, 1, 20)}
    return ClientUpdate(name="update", parts=parts, rows=rng.random((8, 400)))


def update_of_nonsense(_folder: Path) -> ClientUpdate:
    """Arrays that fit nothing."""
    parts = {"": np.array([["x"]]), "b": np.array(float("nan")), "c": np.zeros((0, 3))}
    return ClientUpdate(name="", parts=parts, rows=np.zeros((2, 0)))


@cache
def honest_registry(_folder: Path) -> RegistryEntry:
    """A channel that names the newest of two signed releases, in a store that holds others."""
    rng = Random(3)
    project = Project(name="loans")
    others = {
        "older": project.publish(rng, 1),
        "staged": project.publish(rng, 3, channel="staging"),
        "foreign": Project(name="other").publish(rng, 2),
    }
    return entry(project, project.publish(rng, 2), seen=2, others=others)


@cache
def honest_registered(_folder: Path) -> RegistryEntry:
    """A registry that two persons govern, with a version in production."""
    return entries(3)


def registered_noise(folder: Path) -> RegistryEntry:
    """Noise before a client that has pinned a registry."""
    return replace(registry_of_noise(folder), trusted=honest_registered(folder).trusted)


def noise_that_is_pinned(folder: Path) -> RegistryEntry:
    """The same noise, before a client that has pinned a root."""
    return replace(registry_of_noise(folder), trusted=honest_registry(folder).trusted)


def registry_of_noise(_folder: Path) -> RegistryEntry:
    """A registry that answers everything with noise."""
    return RegistryEntry(
        name="m", version="1", channel="production", read=lambda _path: b"\xff{]" * 50
    )


def silent_registry(_folder: Path) -> RegistryEntry:
    """A registry that has nothing."""

    def read(path: str) -> bytes:
        raise ArtifactError("there is no such file", subject=path)

    return RegistryEntry(name="m", version="1", channel="production", read=read)


def log_of_noise(_folder: Path) -> LogSegment:
    """Records without heads that fit."""
    return LogSegment(
        name="log", records=lambda: iter([b"", b"\xff" * 10]), heads=(b"\x00", b"log\n1\n!!\n")
    )


def quiet_log(_folder: Path) -> LogSegment:
    """Requests, heartbeats, signed heads and a witness."""
    return honest_log(3, minutes=5, signed=True)


def safe_store(_folder: Path) -> StoreSettings:
    """A bucket for one organisation, and folders of ordinary modes."""
    return stores.safe(7)


def store_of_noise(_folder: Path) -> StoreSettings:
    """Documents of no known kind."""
    return StoreSettings(name="noise", documents={"policy": b"\x00\xff{", "acl": b"<a><b>"})


def store_of_traps(_folder: Path) -> StoreSettings:
    """A policy whose parts are of other types, and XML that declares entities."""
    policy = b'{"Statement": [{"Effect": "Allow", "Principal": 7, "Action": {}, "Condition": []}]}'
    entities = b'<!DOCTYPE a [<!ENTITY b "cc">]><AccessControlPolicy>&b;</AccessControlPolicy>'
    return StoreSettings(name="traps", documents={"policy": policy, "acl": entities})


def told_log(_folder: Path) -> Comparison[LogSegment]:
    """A log of runs and an index that repeats it."""
    return honest_index(3)


def log_told_wrong(folder: Path) -> Comparison[LogSegment]:
    """Noise on both sides."""
    return Comparison(old=log_of_noise(folder), new=log_of_noise(folder))


def index_without_log(folder: Path) -> Comparison[LogSegment]:
    """An index that rests on nothing."""
    return Comparison(old=None, new=told_log(folder).new)


# Exchanges ---------------------------------------------------------------------------


def honest_exchange(_folder: Path) -> Exchange:
    """A well-formed request with its answer."""
    request = {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}],
    }
    response = {
        "model_name": "m",
        "outputs": [{"name": "y", "shape": [1], "datatype": "FP32", "data": [0.25]}],
    }
    return Exchange(
        name="m",
        principal="p",
        at=1_700_000_000.0,
        request=json.dumps(request).encode(),
        response=json.dumps(response).encode(),
    )


def chat_of_noise(_folder: Path) -> Exchange:
    """Something that only looks like a chat."""
    return Exchange(
        name="chat",
        principal="p",
        at=0.0,
        request=b'{"messages": [' + b"[" * 500,
        response=b'{"choices": [{"message": {"content": "\xff',
        sink="sql",
    )


def exchange_of_noise(_folder: Path) -> Exchange:
    """Bytes that are no message."""
    return Exchange(
        name="m",
        principal="",
        at=-1.0,
        request=b"\xff\x00{",
        response=b"{" * 2000,
        content_type="\x00",
        headers={"content-length": "-1"},
        sink="nowhere",
    )


def deep_exchange(_folder: Path) -> Exchange:
    """Brackets without end."""
    return Exchange(
        name="m", principal="p", at=0.0, request=b"[" * 100_000, response=b"", sink="html"
    )


# Windows -----------------------------------------------------------------------------


def quiet_window(folder: Path) -> Window:
    """Two draws of one table: what training saw, and what comes in."""
    profile = profile_of(mixed_table(folder, seed=11)).to_bytes()
    return Window(profile=profile, live=mixed_table(folder, seed=12))


def window_of_noise(folder: Path) -> Window:
    """A profile that is none."""
    return Window(profile=b'{"schema": 1}', live=mixed_table(folder))


def window_that_breaks_off(folder: Path) -> Window:
    """Live rows that end in the middle."""
    profile = profile_of(mixed_table(folder)).to_bytes()
    return Window(profile=profile, live=table_that_breaks_off(folder))


CLEAN: dict[Any, tuple[Build, ...]] = {
    Dataset: (
        mixed_table,
        numbers_table,
        pictures,
        table_without_label,
        people_with_labels,
        crawled_pages,
        texts_beside_outputs,
        library_of_passages,
        requests_and_answers,
    ),
    (Comparison, Dataset): (comparison, comparison_without_old),
    Splits: (splits, splits_by_patient),
    SplitReplay: (honest_split,),
    Summaries: (honest_answers,),
    Synthesis: (synthesis,),
    Transformation: (honest_step,),
    History: (honest_history,),
    ModelFile: (linear_model, array_file, onnx_model),
    ModelFolder: (hub_folder,),
    (Comparison, ModelFile): (same_export,),
    Evaluation: (honest_evaluation, people_judged_alike, accounts_judged_by_a_fitted_model),
    Report: (report_on_people, report_on_tumours),
    CodeTree: (small_project,),
    SourceFile: (source_file,),
    PipelineRun: (connected_run,),
    StepUse: (modest_use,),
    Replay: (honest_replay,),
    ClientUpdate: (quiet_update,),
    RegistryEntry: (honest_registry, honest_registered),
    Exchange: (honest_exchange,),
    Window: (quiet_window,),
    LogSegment: (quiet_log,),
    StoreSettings: (safe_store,),
    (Comparison, LogSegment): (told_log,),
}

HOSTILE: dict[Any, tuple[Build, ...]] = {
    Dataset: (
        table_that_breaks_off,
        table_of_nothing,
        table_of_one_row,
        table_of_odd_values,
        table_of_nulls,
        exchanges_of_nonsense,
    ),
    (Comparison, Dataset): (comparison_of_strangers,),
    Splits: (splits_of_odd_values,),
    SplitReplay: (split_of_odd_values,),
    Summaries: (answers_of_noise,),
    Synthesis: (synthesis_of_odd_values,),
    Transformation: (step_of_odd_values, step_that_breaks_off),
    History: (history_of_odd_values, history_of_nothing),
    Evaluation: (evaluation_of_nonsense,),
    Report: (report_of_odd_signs, report_without_rows, report_beside_a_cut_table),
    ModelFolder: (folder_of_noise,),
    (Comparison, ModelFile): (export_of_noise,),
    ModelFile: (file_of_noise, empty_file, cut_zip, cut_pickle, missing_file),
    CodeTree: (odd_project,),
    SourceFile: (broken_source,),
    PipelineRun: (run_without_steps, run_of_odd_names),
    StepUse: (use_of_nonsense,),
    Replay: (replay_of_nonsense,),
    ClientUpdate: (update_of_nonsense,),
    RegistryEntry: (
        registry_of_noise,
        silent_registry,
        noise_that_is_pinned,
        registered_noise,
    ),
    LogSegment: (log_of_noise,),
    StoreSettings: (store_of_noise, store_of_traps),
    (Comparison, LogSegment): (log_told_wrong, index_without_log),
    Exchange: (exchange_of_noise, deep_exchange, chat_of_noise),
    Window: (window_of_noise, window_that_breaks_off),
}


def of(table: dict[Any, tuple[Build, ...]], subject: Any) -> tuple[Build, ...]:
    """Builders for what a control or attack declares as its subject."""
    return table.get(subject, ())
