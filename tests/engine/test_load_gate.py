"""What a load gate lets through, and what it wants to know first."""

from __future__ import annotations

import hashlib
import pickle
from datetime import date
from pathlib import Path

import pytest

import hauberk
from hauberk.core.policy import Waiver
from hauberk.engine.load_gate import ModelState, admit, admit_bytes, admit_to_store, scan_model
from hauberk.errors import ArtifactError, TrustError, UnavailableError
from hauberk.methods.pickle_writing import call, name, text, whole

TODAY = date(2026, 3, 1)
UNKNOWN = whole(name("shop.models.Ranker") + b")\x81}b")


def written(folder: Path, data: bytes, label: str = "model.pkl") -> Path:
    path = folder / label
    path.write_bytes(data)
    return path


def entry(subject: str = "shop.models.Ranker", **changes: object) -> Waiver:
    fields = {"reason": "read it", "owner": "model team", "expires": date(2026, 12, 31)}
    return Waiver(threat="EX-1", subject=subject, **{**fields, **changes})  # type: ignore[arg-type]


def test_plain_values_pass_with_their_digest(tmp_path: Path) -> None:
    data = pickle.dumps({"weights": [0.5, 1.5]})
    verdict = admit(written(tmp_path, data))
    assert verdict.state is ModelState.NO_CODE
    assert verdict.sha256 == hashlib.sha256(data).hexdigest()


def test_a_call_that_runs_code_is_dangerous_and_refused(tmp_path: Path) -> None:
    path = written(tmp_path, whole(call(name("os.system"), text("id"))))
    assert scan_model(path).state is ModelState.DANGEROUS
    with pytest.raises(ArtifactError, match="dangerous"):
        admit(path)


def test_an_unknown_name_is_refused_until_a_policy_entry_lists_it(tmp_path: Path) -> None:
    path = written(tmp_path, UNKNOWN)
    assert scan_model(path).open_names == ("shop.models.Ranker",)
    with pytest.raises(TrustError, match="reviewed"):
        admit(path)
    assert admit(path, allow=[entry()], today=TODAY).passes


@pytest.mark.parametrize(
    "useless",
    [
        entry("shop.models"),
        entry("shop.models.Other"),
        entry(owner=""),
        entry(reason=""),
        entry(expires=date(2026, 2, 28)),
    ],
)
def test_an_entry_for_something_else_or_without_owner_opens_nothing(
    tmp_path: Path, useless: Waiver
) -> None:
    with pytest.raises(TrustError):
        admit(written(tmp_path, UNKNOWN), allow=[useless], today=TODAY)


def test_no_entry_lets_a_dangerous_call_through(tmp_path: Path) -> None:
    path = written(tmp_path, whole(call(name("os.system"), text("id"))))
    with pytest.raises(ArtifactError):
        admit(path, allow=[entry("os.system")], today=TODAY)


def test_what_cannot_be_read_to_its_end_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"Rar!\x1a\x07\x01\x00" + bytes(64), "model.rar")
    assert scan_model(path).state is ModelState.NOT_ASSESSED
    with pytest.raises(UnavailableError):
        admit(path)


def test_a_broken_pickle_is_malformed(tmp_path: Path) -> None:
    path = written(tmp_path, pickle.dumps({"a": [1] * 300})[:-40])
    assert scan_model(path).state is ModelState.MALFORMED


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no such model"):
        scan_model(tmp_path / "none")


def test_the_package_offers_the_scan_without_importing_it_first(tmp_path: Path) -> None:
    assert hauberk.scan_model is scan_model
    assert {"load", "scan_model"} <= set(hauberk.__all__)
    with pytest.raises(AttributeError):
        hauberk.nothing_of_this_name  # noqa: B018


def test_bytes_in_memory_are_judged_under_the_name_of_the_caller() -> None:
    with pytest.raises(ArtifactError) as refused:
        admit_bytes(whole(call(name("os.system"), text("id"))), "loans/model.onnx")
    assert refused.value.subject == "loans/model.onnx"
    assert "hauberk-gate" not in str(refused.value.found)
    assert admit_bytes(pickle.dumps([1.5]), "weights").passes


def test_a_store_takes_texts_that_no_loader_reads_and_no_bad_model(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model card")
    assert not admit_to_store(tmp_path).is_model
    written(tmp_path, whole(call(name("os.system"), text("id"))), "notes.txt")
    with pytest.raises(ArtifactError, match="dangerous"):
        admit_to_store(tmp_path)


def test_a_store_takes_nothing_that_could_not_be_read_to_its_end(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="assessed"):
        admit_to_store(written(tmp_path, b"Rar!\x1a\x07\x00" + bytes(64), "model.rar"))
