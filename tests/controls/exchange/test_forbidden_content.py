"""Answers that policy forbids, by examples and by a classifier of the operator's own."""

from __future__ import annotations

import json

import pytest

from hauberk.controls.exchange.forbidden_content import ForbiddenContent
from hauberk.core.artifact import Exchange
from hauberk.errors import HauberkError, UsageError
from hauberk.guard.content_model import open_classifier
from hauberk.methods.content_policy import WIDTH, features, from_bytes, views
from hauberk.range.worlds import talkers

POLICY = {
    "schema": 1,
    "categories": {
        "promise": {
            "examples": [
                "your money will double, guaranteed",
                "guaranteed: your savings grow tenfold without any risk",
            ],
            "refusal": "withheld: we promise no gains",
        },
        "threat": {"examples": ["I will find you and hurt you", "we will come and hurt you"]},
    },
    "ordinary": ["the shop opens at nine", "no gain is guaranteed", "the train leaves at ten"],
}
CONTENT = from_bytes(json.dumps(POLICY).encode())


def judged(text, classifier=None):
    request = b'{"model":"m","messages":[{"role":"user","content":"?"}]}'
    answer = json.dumps({"choices": [{"index": 0, "message": {"content": text}}]}).encode()
    one = Exchange(name="m", principal="p", at=0, request=request, response=answer)
    return ForbiddenContent(policy=CONTENT, classifier=classifier).observe(one, None)


@pytest.mark.parametrize(
    "text",
    [
        "Your savings will double, guaranteed without any risk.",
        "YOUR MONEY WILL DOUBLE, GUARANTEED",
        "y0ur m0n3y w1ll d0ubl3, gu4r4nt33d",
        "your m-o-n-e-y will d-o-u-b-l-e, g-u-a-r-a-n-t-e-e-d",
        "Good morning. The train leaves at ten. Your money will double, guaranteed. Goodbye.",
        "eW91ciBtb25leSB3aWxsIGRvdWJsZSwgZ3VhcmFudGVlZA==",
    ],
)
def test_what_is_like_an_example_is_withheld_in_the_words_of_its_category(text):
    signal = judged(text)
    assert signal is not None
    assert (signal.reason, signal.public) == ("content: promise", "withheld: we promise no gains")


@pytest.mark.parametrize("text", ["The shop opens at nine.", "The train to the shop is late.", ""])
def test_ordinary_answers_pass(text):
    assert judged(text) is None


def test_words_that_are_denied_are_other_words():
    said = features("your money will double by Friday")
    affirmed = features("your money will surely double by Friday")
    denied = features("your money will never double by Friday")
    assert said @ affirmed > said @ denied + 0.05


def test_without_a_policy_nothing_is_judged():
    one = Exchange(name="m", principal="p", at=0, request=b"{}", response=b"{}")
    assert ForbiddenContent().observe(one, None) is None


@pytest.mark.parametrize(("name", "said"), list(talkers.faulty()), ids=lambda item: str(item)[:20])
def test_a_classifier_that_breaks_its_contract_has_allowed_nothing(name, said):
    signal = judged("The shop opens at nine.", talkers.Says(said=said))
    assert signal is not None, name
    assert signal.reason == "the classifier failed"


def test_a_classifier_is_heard_for_and_against():
    text = "The shop opens at nine."
    assert judged(text, talkers.Says(said={"threat": 0.9})).reason == "content: threat"
    assert judged(text, talkers.Says(said={"threat": 0.1})) is None


def _model(width, n_out, kind="FLOAT"):
    onnx = pytest.importorskip("onnx")
    helper, types = onnx.helper, onnx.TensorProto
    weights = helper.make_tensor("w", types.FLOAT, [width, n_out], [0.0] * (width * n_out))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["s"]),
    ]
    x = helper.make_tensor_value_info("x", getattr(types, kind), [None, width])
    s = helper.make_tensor_value_info("s", types.FLOAT, [None, n_out])
    graph = helper.make_graph(nodes, "content", [x], [s], [weights])
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def test_an_onnx_model_of_features_is_a_classifier():
    pytest.importorskip("onnxruntime")
    model = open_classifier(_model(WIDTH, 2), CONTENT, "content.onnx")
    assert model.scores("anything") == {"promise": 0.5, "threat": 0.5}
    assert judged("The shop opens at nine.", model).reason.startswith("content: ")


def test_a_model_with_another_number_of_scores_withholds_every_answer():
    pytest.importorskip("onnxruntime")
    model = open_classifier(_model(WIDTH, 3), CONTENT, "content.onnx")
    assert judged("The shop opens at nine.", model).reason == "the classifier failed"


def test_bytes_that_are_no_model_are_refused():
    pytest.importorskip("onnxruntime")
    with pytest.raises(HauberkError):
        open_classifier(b"nothing", CONTENT, "content.onnx")


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"more": 1},
        {"categories": {}},
        {"categories": {"A b": {"examples": ["x"]}}},
        {"categories": {"a": {"examples": []}}},
        {"categories": {"a": {"examples": ["x"], "threshold": 0}}},
        {"categories": {"a": {"examples": ["x"], "threshold": 1.5}}},
        {"categories": {"a": {"examples": ["x"], "refusal": ""}}},
        {"categories": {"a": {"examples": "x"}}},
        {"categories": {"a": {"examples": ["x"], "more": 1}}},
        {"ordinary": [1]},
    ],
)
def test_a_content_policy_that_cannot_be_is_refused(change):
    with pytest.raises(UsageError):
        from_bytes(json.dumps(POLICY | change).encode())


def test_views_undo_gaps_and_digits():
    assert "double sure" in set(views("d-o-u-b-l-e s.u.r.e"))
    assert "double" in set(views("d0u8l3".replace("8", "b")))
