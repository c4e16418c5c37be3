"""Models that are slow, break, or are none."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hauberk.errors import ArtifactError, LimitError, TrustError
from hauberk.formats.v2 import Datatype, Request, Tensor
from hauberk.formats.v2_schema import InputSchema, TensorSchema
from hauberk.guard import bundle as bundles
from hauberk.guard import pace
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.runtime import Ending, open_model
from hauberk.guard.service import open_service
from hauberk.range.worlds import served

onnx = pytest.importorskip("onnx")


def _request(*row: float) -> Request:
    tensor = Tensor(name="x", datatype=Datatype.FP32, shape=(1, 2), values=list(row))
    return Request(inputs=(tensor,))


def _body(*row: float) -> bytes:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": row}
    return json.dumps({"inputs": [tensor]}).encode()


def test_a_run_that_was_ended_says_so():
    end = Ending()
    end.ask()
    with pytest.raises(LimitError):
        open_model(served.sponge()).infer(_request(1e6, 0.0), end)


def test_a_sponge_is_ended_at_its_deadline_and_the_next_request_is_answered(tmp_path, open_desk):
    policy = GuardPolicy(deadline_s=0.2, workers=1)
    desk = open_desk(served.write_sponge(tmp_path / "s", policy))
    path = "/v2/models/sponge/infer"
    assert desk.send(_body(1e9, 0.0), path=path).status == 422
    assert desk.send(_body(1.0, 0.0), path=path).status == 200


def test_an_answer_that_is_not_finite_is_withheld(tmp_path, open_desk):
    desk = open_desk(served.write_sponge(tmp_path / "s"))
    answer = desk.send(_body(200.0, 1.0), path="/v2/models/sponge/infer")
    assert answer.status == 422


@pytest.mark.parametrize("model", [b"", b"not a model", b"\x08\x08" * 100])
def test_bytes_that_are_no_model_are_refused(model):
    with pytest.raises(ArtifactError, match="not an ONNX model"):
        open_model(model)


def test_an_output_that_is_no_tensor_is_refused():
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    y = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("SequenceConstruct", ["x"], ["y"])
    with pytest.raises(ArtifactError, match="no tensor of the protocol"):
        open_model(served._serialized("s", [node], [x], [y], []))


def test_an_input_that_the_model_cannot_take_is_no_breakdown():
    tensor = Tensor(name="x", datatype=Datatype.FP32, shape=(1, 3), values=[0.0] * 3)
    with pytest.raises(ArtifactError, match="no answer for this input"):
        open_model(served.classifier()).infer(Request(inputs=(tensor,)))


def test_a_schema_of_another_model_is_refused(tmp_path):
    other = InputSchema(inputs=(TensorSchema(name="z", datatype=Datatype.FP32, shape=(None, 2)),))
    digests = bundles.write(
        tmp_path / "b",
        name="m",
        version="1",
        model=served.classifier(),
        schema=other,
        profile=b"{}",
    )
    loaded = bundles.load(tmp_path / "b", verify=bundles.pinned(digests[bundles.MANIFEST]))
    with pytest.raises(ArtifactError, match="not the one of this model"):
        open_service(loaded)


def test_only_runs_that_were_quick_before_stay_in_the_event_loop():
    learnt = pace.Pace(inline_rows=10)
    for _ in range(20):
        learnt.took(1e-5, 1)
    assert learnt.is_quick(1)
    assert not learnt.is_quick(11)
    learnt.took(1.0, 1)
    learnt.took(1.0, 1)
    assert not learnt.is_quick(1)


def test_many_rows_are_answered_as_one_by_one():
    model = open_model(served.classifier())
    rows = np.random.default_rng(1).uniform(-9, 9, (50, 2)).astype(np.float32)
    tensor = Tensor(name="x", datatype=Datatype.FP32, shape=(50, 2), values=rows.ravel().tolist())
    together = model.infer(Request(inputs=(tensor,)))[0].values
    assert together == [model.infer(_request(*map(float, row)))[0].values[0] for row in rows]


def test_a_server_loads_no_graph_that_the_load_gate_refuses(classifier):
    from dataclasses import replace

    graph = onnx.load_from_string(classifier.model)
    graph.graph.node[0].domain = "com.example"
    graph.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    changed = replace(classifier, model=graph.SerializeToString())
    with pytest.raises((ArtifactError, TrustError), match="the model"):
        open_service(changed)
