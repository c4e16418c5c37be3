"""What may be logged of a run: known kinds and fields, visible text, nothing else."""

import pytest

from hauberk.errors import UsageError
from hauberk.lifecycle.production.metadata_events import FIELDS, checked

DIGEST = "sha256:" + "a" * 64
GOOD = {
    "run": {"run": "r-1", "project": "loans", "code": DIGEST},
    "step": {
        "run": "r-1",
        "step": "train",
        "materials": {"a/b.csv": DIGEST},
        "products": {},
        "envelope": None,
    },
    "metric": {"run": "r-1", "model": None, "name": "roc_auc", "value": 0.7},
    "note": {"run": "r-1", "name": "why", "text": "two\nlines, größer"},
    "release-meant": {
        "run": "r-1",
        "channel": "loans/staging",
        "release": DIGEST,
        "number": 3,
        "steps": [DIGEST, DIGEST],
    },
    "release-done": {"run": "r-1", "channel": "loans/staging", "release": DIGEST, "number": 3},
    "registry": {"deed": "promote", "subject": "loans@3", "registry": "team", "state": 4},
    "trace": {"run": "r-1", "name": "t", "row": 0, "sealed": "aGk="},
}


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_a_good_event_passes_as_it_is(kind):
    event = {"kind": kind, **GOOD[kind]}
    assert checked(event) is event


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_an_unknown_or_missing_field_is_refused(kind):
    with pytest.raises(UsageError, match="does not have"):
        checked({"kind": kind, **GOOD[kind], "extra": 1})
    for key in GOOD[kind]:
        with pytest.raises(UsageError, match=key):
            checked({"kind": kind, **{k: v for k, v in GOOD[kind].items() if k != key}})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("metric", {"value": float("nan")}),
        ("metric", {"value": True}),
        ("metric", {"value": "0.7"}),
        ("metric", {"name": "a\nb"}),
        ("metric", {"name": "\u202egpj"}),
        ("metric", {"name": "x" * 201}),
        ("note", {"text": "\x1b[2J"}),
        ("note", {"text": "a\u200bb"}),
        ("note", {"text": "x" * 10_001}),
        ("run", {"run": "../../etc"}),
        ("run", {"run": "r 1"}),
        ("run", {"code": "abc"}),
        ("step", {"materials": {"../up": DIGEST}}),
        ("step", {"materials": {"a": "sha256:x"}}),
        ("release-meant", {"steps": ["sha256:x"]}),
        ("release-meant", {"steps": DIGEST}),
        ("release-done", {"number": -1}),
        ("release-done", {"release": None}),
        ("trace", {"row": -1}),
        ("trace", {"sealed": "not base64!"}),
    ],
)
def test_a_value_out_of_form_is_refused_without_repeating_it(kind, change):
    with pytest.raises(UsageError) as error:
        checked({"kind": kind, **GOOD[kind], **change})
    (value,) = change.values()
    assert str(value) not in str(error.value) or len(str(value)) < 5


@pytest.mark.parametrize("kind", [None, "shell", ["run"], {}])
def test_an_unknown_kind_is_refused(kind):
    with pytest.raises(UsageError):
        checked({"kind": kind})
