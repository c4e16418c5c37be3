"""Bodies that were taken on trust before: old XGBoost, CatBoost, torch.export, Python in archives."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from hauberk.attacks.model.poison_script import exported
from hauberk.engine.load_gate import ModelState, scan_model
from hauberk.methods import model_writing as write

TENSOR = write.safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4))
CALLS = b"import os\nos.system('id')\n"
COMPUTES = b"import math\nprint(math.pi)\n"


def state(folder: Path, data: bytes, label: str = "model.bin") -> ModelState:
    path = folder / label
    path.write_bytes(data)
    return scan_model(path).state


def boosted(*, nodes: int = 3, trees: int = 2, claimed: int | None = None) -> bytes:
    """The binary format of XGBoost before UBJSON, with some trees."""
    names = b"".join(
        struct.pack("<Q", len(name)) + name for name in (b"reg:squarederror", b"gbtree")
    )
    forest = struct.pack("<i", trees if claimed is None else claimed) + bytes(156)
    links = ((-1, 1, 2), (0, -1, -1), (0, -1, -1))
    node = b"".join(struct.pack("<iiiIf", *link, 0, 0.5) for link in links)
    tree = struct.pack("<6i", 1, nodes, 0, 0, 4, 1) + bytes(124) + node + bytes(16 * 3)
    return b"binf" + bytes(136) + names + forest + tree * trees + bytes(4 * trees)


def test_an_old_xgboost_file_whose_lengths_fit_is_ordinary(tmp_path):
    assert state(tmp_path, boosted()) is ModelState.NO_CODE


@pytest.mark.parametrize("lie", [{"nodes": 1 << 28}, {"nodes": -1}, {"claimed": 1 << 30}])
def test_an_old_xgboost_file_that_lies_about_a_length_is_malformed(tmp_path, lie):
    assert state(tmp_path, boosted(**lie)) is ModelState.MALFORMED


def test_a_cut_xgboost_file_is_malformed(tmp_path):
    assert state(tmp_path, boosted()[:100]) is ModelState.MALFORMED


def catboost(name: bytes, size: int | None = None) -> bytes:
    """A container whose flatbuffer has the format's name as its first field."""
    text = struct.pack("<I", len(name)) + name + b"\0"
    vtable = struct.pack("<3H", 6, 8, 4) + bytes(2)
    core = struct.pack("<I", 12) + vtable + struct.pack("<iI", 8, 4) + text
    return b"CBM1" + struct.pack("<I", len(core) if size is None else size) + core


def test_a_catboost_file_that_names_its_format_is_ordinary(tmp_path):
    assert state(tmp_path, catboost(b"FlabuffersModel_v1")) is ModelState.NO_CODE


@pytest.mark.parametrize("data", [catboost(b"\xff\xfe!"), catboost(b"Model", 1 << 30)])
def test_a_catboost_file_with_another_body_is_malformed(tmp_path, data):
    assert state(tmp_path, data) is ModelState.MALFORMED


def test_an_exported_program_of_plain_operators_is_ordinary(tmp_path):
    assert state(tmp_path, exported(), "m.pt2") is ModelState.NO_CODE


def test_an_exported_program_that_names_a_function_is_dangerous(tmp_path):
    data = exported(target="torch.hub.os.system")
    assert state(tmp_path, data, "m.pt2") is ModelState.DANGEROUS


def test_native_code_that_an_exported_program_brings_is_told(tmp_path):
    data = exported({"net/data/aotinductor/model/net.so": b"\x7fELF\x02" + bytes(64)})
    assert state(tmp_path, data, "m.pt2") is ModelState.MALFORMED


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for label, data in members.items():
            info = tarfile.TarInfo(label)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [write.zipped, tarred])
def test_python_beside_weights_in_an_archive_is_read(tmp_path, pack):
    bad = {"m/model.safetensors": TENSOR, "m/setup.py": CALLS}
    good = {"m/model.safetensors": TENSOR, "m/plot.py": COMPUTES}
    assert state(tmp_path, pack(bad)) is ModelState.DANGEROUS
    assert state(tmp_path, pack(good)) is ModelState.NO_CODE


def test_a_package_with_models_among_its_tests_is_no_model(tmp_path):
    wheel = {
        "p/tests/model.safetensors": TENSOR,
        "p/run.py": CALLS,
        "p-1.dist-info/METADATA": b"Name: p\n",
    }
    assert state(tmp_path, write.zipped(wheel)) is ModelState.NO_CODE


@pytest.mark.parametrize(
    ("module", "found"),
    [
        ("mlflow.sklearn", None),
        ("os", ModelState.DANGEROUS),
        ("my_own.loader", ModelState.MALFORMED),
    ],
)
def test_the_module_that_mlflow_imports_for_a_model_is_judged(tmp_path, module, found):
    text = f"flavors:\n  python_function:\n    loader_module: {module}\n".encode()
    result = state(tmp_path, text, "MLmodel")
    assert result is (found or ModelState.NO_CODE)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        ("math.add", ModelState.NO_CODE),
        ("io.decode_png", ModelState.NO_CODE),
        ("io.read_file", ModelState.MALFORMED),
        ("raw_ops.ReadFile", ModelState.MALFORMED),
        ("numpy_function", ModelState.MALFORMED),
    ],
)
def test_functions_of_tensorflow_in_a_keras_model_are_judged_by_name(tmp_path, function, found):
    layer = {
        "module": "keras.layers",
        "class_name": "TFOpLambda",
        "config": {"function": function, "name": "l"},
    }
    data = write.keras_archive(write.keras_model([layer]))
    assert state(tmp_path, data, "m.keras") is found


def test_a_lambda_layer_that_names_a_dangerous_function_is_dangerous(tmp_path):
    layer = {"class_name": "Lambda", "config": {"function": "os.system", "name": "l"}}
    data = gzip.compress(json.dumps(write.keras_model([layer])).encode())
    assert state(tmp_path, data, "m.json.gz") is ModelState.DANGEROUS


def test_an_operator_that_no_version_of_onnx_has_must_come_from_outside(tmp_path):
    data = write.onnx_model([write.onnx_node("Exfiltrate")])
    assert state(tmp_path, data, "m.onnx") is ModelState.MALFORMED


def test_a_lambda_layer_as_a_tuple_of_tensorflow_carries_code(tmp_path):
    function = {"class_name": "__tuple__", "items": ["4wEAAAA=", None, None]}
    layer = {"class_name": "Lambda", "config": {"function": function, "function_type": "lambda"}}
    data = write.keras_archive(write.keras_model([layer]))
    assert state(tmp_path, data, "m.keras") is ModelState.MALFORMED


@pytest.mark.parametrize("head", [b"\x7fELF\x02", b"MZ\x90\0", b"\xcf\xfa\xed\xfe"])
def test_a_program_under_a_model_name_is_told(tmp_path, head):
    assert state(tmp_path, head + bytes(64), "m.safetensors") is ModelState.MALFORMED


def test_python_of_a_triton_repository_is_read_as_a_models(tmp_path):
    repository = {"m/config.pbtxt": b'backend: "python"', "m/1/model.py": CALLS}
    assert state(tmp_path, write.zipped(repository), "m.zip") is ModelState.DANGEROUS


@pytest.mark.parametrize(
    ("target", "found"), [("/etc/passwd", True), ("../../x", True), ("weights.bin", False)]
)
def test_a_link_in_an_archive_that_leads_out_is_told(tmp_path, target, found):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, target)
    result = state(tmp_path, buffer.getvalue(), "m.zip")
    assert (result is ModelState.MALFORMED) is found
