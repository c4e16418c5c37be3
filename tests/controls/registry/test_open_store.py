"""Stores that let strangers in: documents, modes, and what a stranger got."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.controls.registry.open_store import OpenStore
from hauberk.core.artifact import StoreSettings
from hauberk.core.control import NotApplicable
from hauberk.core.finding import Level, Outcome
from hauberk.engine import assess
from hauberk.errors import ArtifactError
from hauberk.formats.store_settings import exposures, is_settings
from hauberk.range.worlds import stores


def deeds(document, *, prefix="", **more):
    documents = {"policy": json.dumps({"Statement": document}).encode(), **more}
    return {found.deed.value for found in exposures(documents, prefix)}


def statement(**changes):
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "*",
        **changes,
    }


def test_an_open_policy_is_named_with_its_deed_and_place():
    document = {"Statement": [statement(Sid="Web", Action=["s3:GetObject", "s3:PutObject"])]}
    store = StoreSettings(name="s3://m", documents={"policy": json.dumps(document).encode()})
    found = assess(OpenStore(), store).findings
    assert [f.message for f in found] == [
        "s3://m: anybody may read it (policy: Web)",
        "s3://m: anybody may write it (policy: Web)",
    ]


def test_one_prefix_can_be_open_while_another_is_not():
    one = statement(Resource="arn:aws:s3:::m/public/*")
    assert deeds([one], prefix="public/models") == {"read"}
    assert deeds([one], prefix="private") == set()
    assert deeds([one]) == {"read"}


def test_a_denial_of_part_of_what_is_allowed_does_not_close_it():
    allow = statement(Resource="arn:aws:s3:::m/*")
    deny = statement(Effect="Deny", Resource="arn:aws:s3:::m/secret/*")
    assert deeds([allow, deny]) == {"read"}
    assert deeds([allow, statement(Effect="Deny", Resource="arn:aws:s3:::m/*")]) == set()


def test_a_denial_for_everybody_but_some_closes_it():
    deny = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": "arn:aws:iam::1:root"},
        "Action": "*",
        "Resource": "*",
    }
    assert deeds([statement(), deny]) == set()


def test_all_conditions_must_be_met_so_one_that_names_somebody_is_enough():
    condition = {
        "StringLike": {"aws:Referer": "*"},
        "StringEquals": {"aws:PrincipalOrgID": "o-1"},
    }
    assert deeds([statement(Condition=condition)]) == set()


def test_what_a_stranger_got_counts_whatever_documents_say():
    store = StoreSettings(name="b", documents={"acl": b"private"}, strangers={"list": True})
    (found,) = assess(OpenStore(), store).findings
    assert "a stranger, when it was tried" in found.message


def test_a_store_that_does_not_encrypt_is_for_review():
    store = StoreSettings(name="b", documents={"acl": b"private"}, is_encrypted=False)
    (found,) = assess(OpenStore(), store).findings
    assert found.level is Level.REVIEW


def test_a_group_that_may_write_is_for_review_and_everybody_a_defect():
    modes = (("d", 0o40775), ("f", 0o100602))
    found = assess(OpenStore(), StoreSettings(name="d", modes=lambda: modes)).findings
    assert [f.level for f in found] == [Level.REVIEW, Level.DEFECT]


def test_a_store_that_says_nothing_is_not_judged():
    with pytest.raises(NotApplicable):
        list(OpenStore().check(StoreSettings(name="x")))


@pytest.mark.parametrize(
    "data",
    [
        b'{"Statement": [{"Effect": "Allow"}]}',
        b'{"Statement": [{"Effect": "Maybe", "Action": "*"}]}',
        b'{"Statement": 7}',
        b'{"hello": 1}',
        b"hello",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><AccessControlPolicy/>',
        b"\xff\xfe\x00",
        b"[" * 5000,
    ],
)
def test_a_document_that_cannot_be_judged_is_an_error_and_never_clean(data):
    with pytest.raises(ArtifactError):
        list(exposures({"x": data}))


@given(data=st.binary(max_size=200))
def test_no_bytes_crash_the_reader(data):
    with contextlib.suppress(ArtifactError):
        list(exposures({"x": data}))
    is_settings(data)


@pytest.mark.parametrize("documents", stores.SAFE)
def test_settings_that_are_safe_bother_nobody(documents):
    store = StoreSettings(name="s", documents={k: v.encode() for k, v in documents.items()})
    assert assess(OpenStore(), store).outcome is Outcome.CLEAN


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "object", "properties": {"public": {}}}',
        '{"name": "x", "private": false}',
        "a,b\n1,2\n",
        "{}",
    ],
)
def test_ordinary_documents_are_not_taken_for_settings(text):
    assert not is_settings(text.encode())
