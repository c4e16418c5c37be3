"""What is made quickly is what the constructor makes."""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from hauberk.core.artifact import Exchange, exchange_of
from hauberk.core.identity import Digest
from hauberk.formats.v2 import Datatype, Request, Tensor, request_from, tensor_from
from hauberk.guard.replies import Reply, reply_of

TENSOR = Tensor(name="x", datatype=Datatype.FP32, shape=(1, 2), values=[0.5, 1.5], parameters={})
WHOLE = [
    (tensor_from, TENSOR),
    (request_from, Request(inputs=(TENSOR,), outputs=(), id="a", parameters={"b": True})),
    (
        reply_of,
        Reply(status=403, body=b"{}", content_type="a/b", headers=(("c", "d"),), rule="budget"),
    ),
    (
        exchange_of,
        Exchange(
            name="m",
            digest=Digest("sha256:" + "0" * 64),
            principal="p",
            at=1.5,
            request=b"r",
            content_type="t",
            headers={"h": "v"},
            response=b"a",
            sink="html",
            role="r",
            rows=(1,),
            texts=(("x", "y"),),
            outputs=(TENSOR,),
        ),
    ),
]


@pytest.mark.parametrize(("make", "whole"), WHOLE)
def test_all_fields_are_where_the_constructor_puts_them(make, whole):
    made = make(*(getattr(whole, field.name) for field in fields(whole)))
    assert type(made) is type(whole)
    assert made == whole
    assert repr(made) == repr(whole)


@pytest.mark.parametrize(("make", "whole"), WHOLE)
def test_nothing_of_it_can_be_changed(make, whole):
    made = make(*(getattr(whole, field.name) for field in fields(whole)))
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(whole)[0].name, None)
    with pytest.raises(FrozenInstanceError):
        delattr(made, fields(whole)[0].name)


@pytest.mark.parametrize(("make", "whole"), WHOLE)
def test_it_can_be_copied_and_replaced_in(make, whole):
    made = make(*(getattr(whole, field.name) for field in fields(whole)))
    assert replace(made) == copy.copy(made) == whole


def test_a_field_too_few_or_too_many_is_refused():
    for values in (("x", Datatype.FP32, (1,), []), ("x", Datatype.FP32, (1,), [], {}, 1)):
        with pytest.raises(TypeError):
            tensor_from(*values)


def test_telling_keeps_what_it_is_not_told():
    whole = WHOLE[-1][1]
    assert whole.telling() == whole
    assert whole.telling(texts=()) == replace(whole, texts=())
    assert whole.telling(outputs=()) == replace(whole, outputs=())
