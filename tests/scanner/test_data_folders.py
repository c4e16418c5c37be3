"""Folders that are data sets as a whole, and what else lies in them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from hauberk.core.artifact import Dataset, ModelFile, Splits
from hauberk.errors import ArtifactError, HauberkError
from hauberk.formats.documents import is_document_folder, open_documents
from hauberk.formats.sharded import find_shards, open_shards
from hauberk.scanner.locating import Located, locate

TABLE = pa.table({"x": list(range(40)), "label": ["a", "b"] * 20})


def saved(folder: Path, table: pa.Table = TABLE) -> Path:
    """As `datasets` saves: two streams and their descriptions."""
    folder.mkdir(parents=True)
    names = [f"data-0000{n}-of-00002.arrow" for n in range(2)]
    for n, name in enumerate(names):
        with (
            pa.OSFile(str(folder / name), "w") as file,
            pa.ipc.new_stream(file, table.schema) as writer,
        ):
            writer.write_table(table.slice(n * 20, 20))
    state = {"_data_files": [{"filename": name} for name in names]}
    (folder / "state.json").write_text(json.dumps(state), "utf-8")
    info = {"features": {"x": {"_type": "Value"}, "label": {"_type": "ClassLabel"}}}
    (folder / "dataset_info.json").write_text(json.dumps(info), "utf-8")
    return folder


def located(folder: Path) -> dict[str, Located]:
    return {f"{item.kind}:{Path(item.path).name}": item for item in locate(folder)}


def n_rows(dataset: Dataset) -> int:
    return sum(batch.num_rows for batch in dataset.read())


def test_a_saved_data_set_is_one_table_with_its_label(tmp_path):
    shards = find_shards(saved(tmp_path / "set"))
    dataset = open_shards(shards, "")
    assert (n_rows(dataset), dataset.label) == (40, "label")


def test_splits_of_a_saved_data_set_are_held_against_each_other(tmp_path):
    for name in ("train", "test"):
        saved(tmp_path / "set" / name)
    (tmp_path / "set/dataset_dict.json").write_text('{"splits": ["train", "test"]}', "utf-8")
    found = located(tmp_path / "set")
    assert isinstance(found["data set of shards:set"].open(), Splits)
    assert isinstance(found["data set of shards:test"].open(), Dataset)


def test_parquet_shards_of_a_hub_are_one_split(tmp_path):
    (tmp_path / "data").mkdir()
    for n in range(2):
        parquet.write_table(TABLE, tmp_path / f"data/train-0000{n}-of-00002.parquet")
    assert n_rows(open_shards(find_shards(tmp_path), "train")) == 80


def test_a_model_beside_the_shards_is_still_judged(tmp_path):
    saved(tmp_path / "set")
    (tmp_path / "set/model.pkl").write_bytes(pickle.dumps({"a": 1}))
    subjects = [item.open() for item in locate(tmp_path / "set") if item.path.endswith(".pkl")]
    assert [type(subject) for subject in subjects] == [ModelFile]


def test_a_loading_script_is_refused(tmp_path):
    folder = saved(tmp_path / "corpus")
    (folder / "corpus.py").write_text("import os\n", "utf-8")
    with pytest.raises(ArtifactError, match="loading script"):
        located(folder)["loading script:corpus.py"].open()


@pytest.mark.parametrize(
    "state",
    ['{"_data_files": [{"filename": "../../secret.arrow"}]}', "[", '{"_data_files": "x"}', "{}"],
)
def test_a_description_that_lies_is_refused_and_not_skipped(tmp_path, state):
    folder = saved(tmp_path / "set")
    (folder / "state.json").write_text(state, "utf-8")
    with pytest.raises(ArtifactError):
        located(folder)["data set of shards:set"].open()


def test_a_truncated_shard_is_refused(tmp_path):
    folder = saved(tmp_path / "set")
    path = folder / "data-00001-of-00002.arrow"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(HauberkError, match="shard"):
        n_rows(open_shards(find_shards(folder), ""))


def test_shards_with_other_columns_are_refused(tmp_path):
    parquet.write_table(TABLE, tmp_path / "train-00000-of-00002.parquet")
    parquet.write_table(TABLE.select(["x"]), tmp_path / "train-00001-of-00002.parquet")
    with pytest.raises(ArtifactError, match="different columns"):
        open_shards(find_shards(tmp_path), "train")


def test_documents_are_rows_with_the_folder_as_their_domain(tmp_path):
    for n in range(6):
        path = tmp_path / f"site{n % 2}.example" / f"{n}.html"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<p>page {n}</p>", "utf-8")
    assert is_document_folder(tmp_path)
    dataset = open_documents(tmp_path)
    assert dataset.source == "domain"
    assert sorted(set(next(dataset.read()).column("domain").to_pylist())) == [
        "site0.example",
        "site1.example",
    ]


def test_a_page_in_no_encoding_is_still_a_row(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.txt").write_bytes(np.random.default_rng(n).bytes(200))
    assert n_rows(open_documents(tmp_path)) == 5
