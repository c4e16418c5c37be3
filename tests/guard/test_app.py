"""The application, asked in this process."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Severity
from hauberk.formats import v2, v2_binary
from hauberk.formats.http import Call, json_call
from hauberk.guard.identity import keyring_of, new_key
from hauberk.guard.policy import Audit, GuardPolicy, OnAuditFailure
from hauberk.guard.service import Surroundings, further_watches
from hauberk.range.worlds import served

INFER = "/v2/models/classifier/infer"


def test_an_honest_request_is_answered_with_all_outputs(desk):
    answer = desk.ask((1.0, 2.0), (3.0, -1.0))
    outputs = {t.name: t.array().tolist() for t in v2.parse_response(answer.body).outputs}
    assert (answer.status, outputs["label"], len(outputs["scores"])) == (200, [0, 0], 2)


def test_an_answer_is_what_the_weights_say(desk):
    scores = v2.parse_response(desk.ask((1.0, 2.0)).body).outputs[1].array()
    z = np.array([1.0, 2.0]) @ np.array(served.WEIGHTS)
    assert scores[0].tolist() == pytest.approx((np.exp(z) / np.exp(z).sum()).tolist(), abs=1e-6)


def test_the_versioned_path_answers_too(desk):
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0, 0]}]}
    )
    assert desk.send(body.encode(), path="/v2/models/classifier/versions/1/infer").status == 200


def test_only_the_outputs_asked_for_are_given(desk):
    body = {
        "id": "7",
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0, 0]}],
        "outputs": [{"name": "label"}],
    }
    response = v2.parse_response(desk.send(json.dumps(body).encode()).body)
    assert ([t.name for t in response.outputs], response.id) == (["label"], "7")


def test_raw_outputs_are_given_where_asked_for(desk):
    body = {
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0, 0]}],
        "outputs": [{"name": "scores", "parameters": {"binary_data": True}}, {"name": "label"}],
    }
    answer = desk.send(json.dumps(body).encode())
    header_length = int(answer.headers[v2_binary.HEADER])
    response = v2_binary.parse_response(answer.body, header_length)
    assert [t.array().tolist() for t in response.outputs] == [[[0.5, 0.5]], [0]]


def test_raw_inputs_are_taken(desk):
    head = {
        "inputs": [
            {
                "name": "x",
                "shape": [1, 2],
                "datatype": "FP32",
                "parameters": {"binary_data_size": 8},
            }
        ]
    }
    header = json.dumps(head).encode()
    answer = desk.send(header + np.zeros(2, "<f4").tobytes(), {v2_binary.HEADER: str(len(header))})
    assert answer.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/classifier",
        "/v2/models/classifier/versions/1",
        "/v2/models/classifier/ready",
        "/v2/models/classifier/versions/1/ready",
    ],
)
def test_the_protocol_s_pages_are_there(desk, path):
    assert desk.get(path).status == 200


def test_metadata_names_inputs_and_outputs_but_no_ranges(desk):
    page = json.loads(desk.get("/v2/models/classifier").body)
    assert page["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]


def test_metrics_count_answers_and_refusals(desk):
    desk.ask()
    desk.ask(name="y")
    text = desk.get("/metrics").body.decode()
    assert 'hauberk_requests_total{status="200"} 1' in text
    assert 'hauberk_refused_total{rule="only declared inputs"} 1' in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/models/other", 404),
        ("GET", "/v2/models/classifier/versions/2", 404),
        ("GET", "/v2/../metrics", 404),
        ("GET", "/v2/models/%63lassifier", 404),
        ("GET", "/metrics?x=1", 400),
        ("GET", "/" + "a" * 600, 400),
        ("GET", INFER, 405),
        ("DELETE", "/v2", 405),
        ("HEAD", INFER, 405),
        ("OPTIONS", INFER, 405),
        ("TRACE", INFER, 405),
    ],
)
def test_what_is_not_served_is_refused(desk, method, path, status):
    assert desk.get(path, method).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("content-type", "text/plain"),), 415),
        ((("content-type", "application/json"), ("content-type", "text/plain")), 400),
        ((("content-type", "application/json"), ("content-encoding", "gzip")), 415),
        ((("content-type", "application/json"), ("content-length", "9999999999")), 413),
        ((("content-type", "application/json"), ("content-length", "-1")), 400),
        ((("content-type", "application/json"), ("content-length", "3")), 400),
        ((("content-type", "application/json"), ("host", "evil.example")), 421),
        ((("content-type", "application/json"), ("x-http-method-override", "GET")), 400),
        ((), 415),
    ],
)
def test_headers_that_do_not_fit_are_refused(desk, headers, status):
    call = Call(path=INFER, headers=headers, chunks=(b'{"inputs":[]}',))
    assert desk.door.call(call).status == status


def test_a_body_without_a_length_is_refused(desk):
    assert (
        desk.door.call(Call(path=INFER, headers=(("content-type", "application/json"),))).status
        == 411
    )


def test_a_body_on_a_page_is_refused(desk):
    assert desk.get("/v2", headers=(("content-length", "5"),)).status == 400


def test_a_chunked_body_beyond_the_bound_is_refused_while_it_arrives(desk):
    headers = (("content-type", "application/json"), ("transfer-encoding", "chunked"))
    answer = desk.door.call(Call(path=INFER, headers=headers, chunks=(bytes(1 << 20),) * 6))
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_a_body_in_pieces_is_put_together(desk):
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0, 0]}]}
    )
    pieces = tuple(body[i : i + 10].encode() for i in range(0, len(body), 10))
    assert (
        desk.door.call(
            Call(path=INFER, headers=(("content-type", "application/json"),), chunks=pieces)
        ).status
        == 200
    )


def test_a_body_that_does_not_arrive_is_given_up(tmp_path, open_desk):
    bundle = served.write_classifier(tmp_path / "b", GuardPolicy(body_timeout_s=0.02))
    headers = (("content-type", "application/json"),)
    answer = open_desk(bundle).door.call(
        Call(path=INFER, headers=headers, chunks=(b"{",), pause_s=5)
    )
    assert answer.status == 408


@pytest.mark.parametrize("path", [INFER, "/v2", "/nowhere"])
def test_answers_carry_security_headers(desk, path):
    headers = desk.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]


# Identity ----------------------------------------------------------------------------


@pytest.fixture
def keyed(classifier, open_desk):
    key, line = new_key("alice")
    desk = open_desk(
        classifier, Surroundings(keyring=keyring_of(f"# keys\n\n{line}\n")), hosts=None
    )
    desk.key = key
    return desk


def test_a_known_key_opens_the_door(keyed):
    assert keyed.ask(headers={"authorization": f"Bearer {keyed.key}"}).status == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer wrong", "Basic x", "Bearer \xfc", "Bearer " + "x" * 600]
)
def test_another_key_does_not(keyed, value):
    assert keyed.ask(headers={"authorization": value}).status == 401


@pytest.mark.parametrize("path", ["/v2", "/metrics", "/nowhere", INFER])
def test_strangers_do_not_learn_what_exists(keyed, path):
    assert keyed.get(path).status == 401


def test_liveness_is_open_to_strangers(keyed):
    assert keyed.get("/v2/health/live").status == 200


# Budgets, queue, deadline --------------------------------------------------------------


def test_a_principal_beyond_its_budget_waits(tmp_path, open_desk):
    bundle = served.write_classifier(
        tmp_path / "b", GuardPolicy(rate_per_s=0.001, burst=3.0, slow_s=0.001)
    )
    desk = open_desk(bundle)
    statuses = [desk.ask().status for _ in range(4)]
    assert (statuses[0], statuses[-1]) == (200, 429)


def test_a_sender_beyond_its_budget_is_answered_late_but_only_some_are_held(tmp_path, open_desk):
    policy = GuardPolicy(rate_per_s=0.001, burst=3.0, slow_s=0.2, per_principal=2)
    desk = open_desk(served.write_classifier(tmp_path / "b", policy))
    call = json_call(INFER, b"[" * 3000)
    desk.door.together([call] * 4)
    late = sorted(answer.seconds > 0.2 for answer in desk.door.together([call] * 4))
    assert late == [False, False, True, True]


def test_a_full_queue_sheds(tmp_path, open_desk):
    bundle = served.write_classifier(tmp_path / "b", GuardPolicy(workers=1, queue=1, inline_rows=1))
    desk = open_desk(bundle)
    body = v2.write_request(
        v2.Request(
            inputs=(v2.Tensor(name="x", datatype=v2.Datatype.FP32, shape=(2, 2), values=[0.0] * 4),)
        )
    )
    headers = (("content-type", "application/json"),)
    answers = desk.door.together([Call(path=INFER, headers=headers, chunks=(body,))] * 10)
    assert {answer.status for answer in answers} == {200, 503}


def test_one_principal_cannot_hold_all_places(tmp_path, open_desk):
    bundle = served.write_classifier(tmp_path / "b", GuardPolicy(per_principal=1, inline_rows=1))
    desk = open_desk(bundle)
    body = v2.write_request(
        v2.Request(
            inputs=(v2.Tensor(name="x", datatype=v2.Datatype.FP32, shape=(2, 2), values=[0.0] * 4),)
        )
    )
    headers = (("content-type", "application/json"),)
    answers = desk.door.together([Call(path=INFER, headers=headers, chunks=(body,))] * 5)
    assert max(answer.status for answer in answers) == 429


# Shadow --------------------------------------------------------------------------------


class Suspicious(Watch):
    title = "Suspicious"
    threats = ()
    subject = None
    shadow = True

    @property
    def id(self):
        return "exchange/suspicious"

    def observe(self, exchange, state):
        return Signal(
            score=1.0, action=Action.BLOCK, reason="suspicious", severity=Severity.LOW, status=403
        )


def test_a_control_in_shadow_is_counted_but_not_obeyed(classifier, open_desk):
    desk = open_desk(classifier, Surroundings(watches=(Suspicious(),)))
    assert desk.ask().status == 200
    assert (
        'hauberk_shadowed_total{control="exchange/suspicious",action="block"} 1'
        in desk.get("/metrics").body.decode()
    )


def test_controls_that_are_stations_of_their_own_are_not_asked_twice():
    found = {watch.id for watch in further_watches()}
    assert found.isdisjoint({"exchange/smuggled-fields", "exchange/oversized-requests"})


def test_controls_of_chats_are_not_asked_of_tensors():
    found = {watch.id for watch in further_watches()}
    assert found.isdisjoint({"exchange/injected-prompts", "exchange/broken-contracts"})
    assert "exchange/iterated-queries" in found


def test_a_promoted_control_is_obeyed(tmp_path, open_desk):
    policy = GuardPolicy(promote=frozenset({"exchange/suspicious"}))
    bundle = served.write_classifier(tmp_path / "b", policy)
    assert open_desk(bundle, Surroundings(watches=(Suspicious(),))).ask().status == 403


# Audit ---------------------------------------------------------------------------------


class ListLog:
    def __init__(self, broken=False):
        self.records = []
        self.broken = broken

    def append(self, batch):
        if self.broken:
            raise OSError("disk full")
        self.records += [json.loads(record) for record in batch]


def test_decisions_are_in_the_log_without_payloads(classifier, open_desk):
    log = ListLog()
    desk = open_desk(classifier, Surroundings(log=log))
    desk.ask((3.25, 4.75))
    desk.ask(name="y")
    desk.service.close()
    assert [record["action"] for record in log.records] == ["allow", "block"]
    assert "3.25" not in json.dumps(log.records)


def _durable(tmp_path, open_desk, log, on_failure=OnAuditFailure.REFUSE):
    policy = GuardPolicy(audit=Audit.DURABLE, on_audit_failure=on_failure)
    return open_desk(served.write_classifier(tmp_path / "b", policy), Surroundings(log=log))


def test_a_durable_decision_is_in_the_log_before_the_answer(tmp_path, open_desk):
    log = ListLog()
    _durable(tmp_path, open_desk, log).ask()
    assert len(log.records) == 1


def test_a_broken_log_stops_answers_where_policy_says_so(tmp_path, open_desk):
    assert _durable(tmp_path, open_desk, ListLog(broken=True)).ask().status == 503


def test_a_broken_log_is_counted_where_policy_goes_on(tmp_path, open_desk):
    desk = _durable(tmp_path, open_desk, ListLog(broken=True), OnAuditFailure.DEGRADE)
    assert desk.ask().status == 200
    assert "hauberk_audit_lost_total 1" in desk.get("/metrics").body.decode()


def test_the_monitor_s_tap_hears_of_both_and_how_they_ended(classifier, open_desk):
    class Tap:
        def __init__(self):
            self.heard = []

        def accepted(self, request, outputs, at):
            self.heard.append("accepted")

        def refused(self, rule, at):
            self.heard.append(rule)

        def concluded(self, status, seconds, at):
            self.heard.append(status if seconds > 0 else "no time")

    tap = Tap()
    desk = open_desk(classifier, Surroundings(tap=tap))
    desk.ask()
    desk.ask(name="y")
    assert tap.heard == ["accepted", 200, "only declared inputs", 400]


# Sinks ---------------------------------------------------------------------------------


def _said(tmp_path, open_desk, text, headers, **policy):
    desk = open_desk(served.write_parrot(tmp_path / "p", GuardPolicy(**policy)))
    tensor = {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor]}).encode()
    return desk.send(body, headers, path="/v2/models/parrot/infer")


def test_texts_are_encoded_for_the_sink_that_the_client_names(tmp_path, open_desk):
    answer = _said(tmp_path, open_desk, "<script>", {"x-hauberk-sink": "html"})
    assert v2.parse_response(answer.body).outputs[0].values == ["&lt;script&gt;"]


def test_a_sink_of_the_policy_holds_whatever_the_client_says(tmp_path, open_desk):
    answer = _said(tmp_path, open_desk, "<b>", {"x-hauberk-sink": "csv"}, sink="html")
    assert v2.parse_response(answer.body).outputs[0].values == ["&lt;b&gt;"]


def test_without_a_sink_texts_are_data(tmp_path, open_desk):
    answer = _said(tmp_path, open_desk, "<b>", {})
    assert v2.parse_response(answer.body).outputs[0].values == ["<b>"]


def test_an_unknown_sink_is_refused(tmp_path, open_desk):
    assert _said(tmp_path, open_desk, "x", {"x-hauberk-sink": "fax"}).status == 400


@pytest.mark.parametrize(("kind", "status"), [("INT32", 200), ("FP64", 400), ("BYTES", 400)])
def test_a_policy_may_take_numbers_that_keep_their_value(tmp_path, open_desk, kind, status):
    policy = GuardPolicy(widen_numbers=True)
    desk = open_desk(served.write_classifier(tmp_path / "b", policy))

    assert desk.ask(datatype=kind, data=[1, 2]).status == status


def test_numbers_of_another_type_are_refused_by_default(desk):
    assert desk.ask(datatype="INT32", data=[1, 2]).status == 400


def test_a_body_beyond_what_the_schema_can_need_is_refused_before_it_is_read(desk):
    most = desk.service.desk.max_body_bytes
    assert most < desk.service.policy.max_body_bytes
    length = ("content-length", str(most + 1))
    call = Call(path=INFER, headers=(("content-type", "application/json"), length), chunks=(b"{",))
    assert desk.door.call(call).status == 413
