"""Ways around lists of names that nobody had published when this reader was written.

Each was found by reading what the listed libraries do with a state, or what their loaders
do with a persistent id. Nothing here is run: only opcodes are written.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Severity
from hauberk.methods.pickle_writing import blob, call, name, text, whole


def severities(folder: Path, data: bytes) -> set[Severity]:
    path = folder / "model.bin"
    path.write_bytes(data)
    return {item.severity for item in UnsafeOpcodes().check(ModelFile(name="m", path=path))}


def model_data(formula: bytes, *, padding: int = 0) -> bytes:
    """A statsmodels data holder whose state makes the loader evaluate a formula."""
    pad = b"".join(text(f"k{i}") + b"N" for i in range(padding))
    state = b"(" + pad + text("restore_design_info") + b"\x88" + text("formula") + formula + b"d"
    return whole(name("statsmodels.base.data.PandasData") + b")\x81" + state + b"b")


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ __import__('os').system('id')",
        "y ~ eval('1')",
        "y ~ np.load('x')",
        "y ~ x.to_pickle('p')",
        "y ~ (lambda: 0)()",
        "y ~ I(x)(1)",
        "y ~ ''.join(x)",
    ],
)
def test_a_formula_that_is_a_program_is_dangerous(tmp_path: Path, formula: str) -> None:
    assert severities(tmp_path, model_data(text(formula))) == {Severity.CRITICAL}


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ a + C(b) * np.log(c) - 1",
        "Lottery ~ Literacy + Wealth + Region",
        "y ~ bs(x, df=4, degree=3) + I(x ** 2)",
        "y ~ C(g, Treatment(reference='a.b')) + Q('odd name')",
        "y ~ 0.5 * x",
    ],
)
def test_an_ordinary_formula_passes(tmp_path: Path, formula: str) -> None:
    assert severities(tmp_path, model_data(text(formula))) == set()


def test_a_formula_hidden_behind_many_attributes_is_no_pass(tmp_path: Path) -> None:
    data = model_data(text("y ~ __import__('os').system('id')"), padding=2000)
    assert severities(tmp_path, data) & {Severity.HIGH, Severity.CRITICAL}


def test_a_formula_that_is_computed_while_loading_is_dangerous(tmp_path: Path) -> None:
    computed = call(name("_codecs.encode"), text("y ~ 1"), text("latin1"))
    assert severities(tmp_path, model_data(computed)) & {Severity.HIGH, Severity.CRITICAL}


def test_a_class_that_old_torch_fetches_by_persistent_id_is_judged(tmp_path: Path) -> None:
    module = b"(" + text("module") + name("os.system") + text("f") + text("src") + b"tQ"
    assert Severity.CRITICAL in severities(tmp_path, whole(module + b"(" + text("id") + b"tR"))


def test_what_a_persistent_id_holds_may_be_made_when_it_is_a_listed_class(tmp_path: Path) -> None:
    linear = name("torch.nn.modules.linear.Linear")
    module = b"(" + text("module") + linear + text("f") + text("src") + b"tQ"
    assert severities(tmp_path, whole(module + b")\x81}b")) == set()


def test_a_second_pickle_that_protocol_2_writes_as_long_text_is_read(tmp_path: Path) -> None:
    inner = whole(call(name("os.system"), text("id")) + b"0" + blob(b"\xe9" * 9000))
    written = inner.decode("latin-1")
    encoded = call(name("_codecs.encode"), text(written), text("latin1"))
    data = whole(call(name("torch.storage._load_from_bytes"), encoded), protocol=2)
    assert Severity.CRITICAL in severities(tmp_path, data)


@pytest.mark.parametrize(
    ("gadget", "argument"),
    [
        ("aifc.Aifc_write", "/tmp/x"),
        ("zipapp.Thing", "x"),
        ("csv.Sniffer", "x"),
        ("onnx.load", "x"),
        ("ray.cloudpickle.loads", "x"),
        ("attr._make._compile_and_eval", "x"),
        ("somebody.views.Report", "https://example.invalid/x"),
        ("somebody.views.render", "../../x"),
        ("xgboost.core.Booster", "/etc/model"),
        ("xgboost.tracker.RabitTracker", "x"),
    ],
)
def test_text_that_leads_outside_makes_an_unknown_call_dangerous(
    tmp_path: Path, gadget: str, argument: str
) -> None:
    found = severities(tmp_path, whole(call(name(gadget), text(argument))))
    assert found & {Severity.HIGH, Severity.CRITICAL}


def test_a_weight_of_an_exported_program_that_is_a_pickle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/archive_format", "pt2")
        archive.writestr("m/data/weights/weight_0", whole(call(name("os.system"), text("id"))))
        archive.writestr("m/data/weights/weight_1", b"\x00\x01\x02\x03" * 8)
    found = {item.severity for item in UnsafeOpcodes().check(ModelFile(name="m", path=path))}
    assert Severity.CRITICAL in found


def test_the_number_that_identifies_a_torch_archive_is_no_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    pad = b"\x80\x02ctorch.nn.modules.padding\nConstantPad1d\nq\x00)\x81q\x01}q\x02b."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", pad)
        archive.writestr("m/.data/serialization_id", b"0290846867776292310400096197055774106180")
    assert not list(UnsafeOpcodes().check(ModelFile(name="m", path=path)))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_columns_of_pandas_that_lie_in_arrow_pass(tmp_path: Path, protocol: int) -> None:
    frame = pd.DataFrame({"name": ["a", "b", None] * 40, "x": np.arange(120.0)})
    typed = frame.assign(
        n=pd.array([1, 2, None] * 40, dtype="int64[pyarrow]"), kind=frame["name"].astype("category")
    )
    assert severities(tmp_path, pickle.dumps([typed, pa.table(frame)], protocol=protocol)) == set()


def test_bytes_of_numbers_are_no_command(tmp_path: Path) -> None:
    data = whole(call(name("somebody.lib.Buffer"), blob(b"\x00a(;|&\x00\x3f`$x)(")))
    assert severities(tmp_path, data) == {Severity.MEDIUM}
