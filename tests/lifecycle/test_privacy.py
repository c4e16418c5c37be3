"""What a private training gives away, from its record."""

import json

import pytest

from hauberk.errors import ArtifactError
from hauberk.lifecycle.privacy import privacy_section, spent
from hauberk.lifecycle.segments import record_privacy
from hauberk.methods.federated import epsilon

PHASE = {"noise": 1.1, "batch": 64, "rows": 1000, "steps": 500}


def _record(*phases, **more):
    return json.dumps({"phases": list(phases), **more}).encode()


def test_the_bound_is_the_one_of_the_accountant():
    found = spent(_record(PHASE, delta=1e-5), 1000, "privacy.json")
    assert found.epsilon == epsilon(noise=1.1, share=0.064, steps=500, delta=1e-5)


def test_phases_add_up():
    one = spent(_record(PHASE), 1000, "privacy.json").epsilon
    both = spent(_record(PHASE, PHASE), 1000, "privacy.json").epsilon
    assert one < both < 2 * one


def test_the_callback_writes_what_is_read(tmp_path):
    place = tmp_path / "privacy.json"
    record_privacy(str(place), noise=1.1, batch=64, rows=1000, steps=200, clip=1.0)
    record_privacy(str(place), noise=1.1, batch=64, rows=1000, steps=300, delta=1e-4)
    whole = spent(_record(PHASE, delta=1e-4), 1000, "privacy.json")
    found = spent(place.read_bytes(), 1000, "privacy.json")
    assert found.epsilon == pytest.approx(whole.epsilon)
    assert found.steps == 500


def test_more_rows_than_there_were_are_refused():
    with pytest.raises(ArtifactError, match="more than it had"):
        spent(_record({**PHASE, "rows": 100_000}), 1000, "privacy.json")


@pytest.mark.parametrize(
    "record",
    [
        b"{",
        b"[]",
        b'{"phases": []}',
        _record({**PHASE, "noise": 0}),
        _record({**PHASE, "noise": float("nan")}),
        _record({**PHASE, "steps": 1.5}),
        _record({**PHASE, "more": 1}),
        _record(PHASE, delta=0.5),
        _record(PHASE) + b" " * (1 << 17),
        b"[" * 60_000,
    ],
)
def test_a_record_that_is_none_is_an_error_that_says_what_one_is(record):
    with pytest.raises(ArtifactError, match="cannot be read"):
        spent(record, 1000, "privacy.json")


def test_nothing_recorded_is_not_stated():
    assert privacy_section(None).rows[0][0] == "not stated"


@pytest.mark.parametrize(
    ("noise", "share", "steps"), [(1.1, 256 / 60000, 5000), (0.7, 0.02, 300), (4.0, 1.0, 100)]
)
def test_the_bound_is_what_opacus_says(noise, share, steps):
    accountants = pytest.importorskip("opacus.accountants")
    theirs = accountants.RDPAccountant()
    theirs.history = [(noise, share, steps)]
    ours = epsilon(noise=noise, share=share, steps=steps, delta=1e-5)
    assert ours == pytest.approx(theirs.get_epsilon(1e-5), rel=0.002)  # it tries fewer orders
