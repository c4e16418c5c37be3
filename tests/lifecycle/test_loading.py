"""``hauberk.load``: outside of this process, unless signed and pinned."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import hauberk
from hauberk.errors import ArtifactError, TrustError, UsageError
from hauberk.lifecycle.loading import IsolatedModel
from hauberk.methods.pickle_writing import call, name, text, whole
from hauberk.trust.keys import KeyPair, generate
from hauberk.trust.oms import bundle
from hauberk.trust.oms.verification import signature_path, statement_of

ROWS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "model.joblib"
    joblib.dump(LogisticRegression().fit(ROWS, LABELS), place, compress=3)
    return place


@pytest.fixture
def key() -> KeyPair:
    return generate()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def signed(path: Path, key: KeyPair) -> None:
    place = signature_path(path)
    place.write_bytes(bundle.seal(statement_of(path, place).to_bytes(), [key]))


def test_a_model_that_nobody_signed_answers_from_a_worker(path: Path) -> None:
    model = hauberk.load(path)
    assert isinstance(model, IsolatedModel)
    own = LogisticRegression().fit(ROWS, LABELS)
    assert (model.predict(ROWS) == own.predict(ROWS)).all()


def test_a_signed_and_pinned_model_is_the_object_itself(path: Path, key: KeyPair) -> None:
    signed(path, key)
    keys = {key.public.key_id: key.public}
    model = hauberk.load(path, sha256=digest(path), keys=keys)
    assert isinstance(model, LogisticRegression)


def test_another_file_than_the_pinned_one_is_refused(path: Path, key: KeyPair) -> None:
    signed(path, key)
    keys = {key.public.key_id: key.public}
    pin = digest(path)
    path.write_bytes(pickle.dumps({"other": 1}))
    with pytest.raises(TrustError, match="pinned"):
        hauberk.load(path, sha256=pin, keys=keys)


def test_a_signature_by_somebody_else_does_not_count(path: Path, key: KeyPair) -> None:
    signed(path, generate())
    with pytest.raises(TrustError):
        hauberk.load(path, sha256=digest(path), keys={key.public.key_id: key.public})


def test_keys_without_a_pin_are_a_mistake(path: Path, key: KeyPair) -> None:
    with pytest.raises(UsageError):
        hauberk.load(path, keys={key.public.key_id: key.public})


def test_a_signed_and_pinned_model_that_runs_code_is_refused_all_the_same(
    tmp_path: Path, key: KeyPair
) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(whole(call(name("os.system"), text("id"))))
    signed(path, key)
    with pytest.raises(ArtifactError, match="dangerous"):
        hauberk.load(path, sha256=digest(path), keys={key.public.key_id: key.public})


def test_a_file_that_changed_after_the_verdict_is_refused_by_the_worker(path: Path) -> None:
    model = hauberk.load(path)
    joblib.dump(LogisticRegression().fit(ROWS, 1 - LABELS), path)
    with pytest.raises(TrustError, match="changed"):
        model.predict(ROWS)
