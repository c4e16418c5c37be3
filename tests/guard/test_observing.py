"""Exchanges as spans and metrics, through the door."""

from __future__ import annotations

import json

import pytest

from hauberk.formats.http import json_call
from hauberk.formats.otlp import Kind
from hauberk.guard.app import App
from hauberk.guard.chat_policy import ChatPolicy
from hauberk.guard.chat_service import PATH, ChatService, chat_watches
from hauberk.guard.chat_upstream import upstream_of
from hauberk.guard.desk import Surroundings
from hauberk.guard.loopback import InProcess
from hauberk.guard.metrics import MAX_MODELS, OTHER, Calls
from hauberk.guard.observing import Observing, Telling
from hauberk.range.worlds.puppets import puppet

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
ALL = Telling(sample=1.0)
INFER = "/v2/models/classifier/infer"


@pytest.fixture
def observed(classifier, open_desk):
    def open_one(telling=ALL, **options):
        observing = Observing(telling, **options)
        return observing, open_desk(classifier, Surroundings(observer=observing))

    return open_one


def metric(observing, name):
    return next(one for one in observing.metrics() if one.name == name)


def test_an_answer_is_a_span_of_a_server(observed):
    observing, desk = observed()
    assert desk.ask((1.0, 2.0), (3.0, 4.0)).status == 200
    (span,) = observing.taken(10)
    assert (span.name, span.kind) == (f"POST {INFER}", Kind.SERVER)
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.route"] == INFER
    assert span.attributes["hauberk.rows"] == 2
    assert 0 < span.attributes["hauberk.model.duration"] <= span.end - span.start
    assert not span.is_error


def test_a_refusal_tells_its_rule_and_nothing_of_the_body(observed):
    observing, desk = observed(Telling(sample=0.0))
    assert desk.ask(secret="hush-hush").status == 400
    (span,) = observing.taken(10)
    assert span.attributes["hauberk.rule"]
    assert "hush" not in repr(span)


def test_what_is_not_there_has_no_route(observed):
    observing, desk = observed()
    desk.get("/v2/models/other-name/infer")
    (span,) = observing.taken(10)
    assert span.name == "GET"
    assert "http.route" not in span.attributes
    assert "other-name" not in repr(span)


def test_a_method_of_nobody_is_another(observed):
    observing, desk = observed()
    desk.get(INFER, method="BREW")
    (span,) = observing.taken(10)
    assert span.name == f"HTTP {INFER}"
    assert span.attributes["http.request.method"] == OTHER


def test_ordinary_exchanges_are_sampled_and_refused_ones_are_not(observed):
    draws = iter([0.05, 0.5, 0.5])
    observing, desk = observed(Telling(sample=0.1), draw=lambda: next(draws))
    for _ in range(3):
        assert desk.ask().status == 200
    assert desk.send(b"{").status == 400
    spans = observing.taken(10)
    assert [span.attributes["http.response.status_code"] for span in spans] == [200, 400]


def test_a_caller_is_linked_to_and_not_believed(observed):
    observing, desk = observed()
    desk.ask(headers=PARENT)
    (span,) = observing.taken(10)
    assert span.place.trace != TRACE
    assert span.link.trace == TRACE
    assert not span.parent


def test_a_caller_is_believed_where_that_is_said(observed):
    observing, desk = observed(Telling(sample=1.0, believes_parents=True))
    desk.ask(headers=PARENT)
    (span,) = observing.taken(10)
    assert (span.place.trace, span.parent, span.link) == (TRACE, "b7ad6b7169203331", None)


def test_a_malformed_caller_is_nobody(observed):
    observing, desk = observed()
    assert desk.ask(headers={"traceparent": "00-zz"}).status == 200
    (span,) = observing.taken(10)
    assert span.link is None


def test_a_full_queue_drops_what_comes_and_says_so(observed):
    observing, desk = observed(max_queued=2)
    for _ in range(5):
        assert desk.ask().status == 200
    assert len(observing.taken(10)) == 2
    assert observing.lost == 3
    assert "hauberk_telemetry_lost_total 3" in desk.get("/metrics").body.decode()


def test_durations_are_counted_whether_sampled_or_not(observed):
    observing, desk = observed(Telling(sample=0.0))
    for _ in range(3):
        desk.ask()
    desk.send(b"{")
    buckets = metric(observing, "http.server.request.duration").buckets
    counts = {one.attributes["http.response.status_code"]: sum(one.counts) for one in buckets}
    assert counts == {200: 3, 400: 1}
    refused = metric(observing, "hauberk.guard.refusals").points
    assert sum(point.value for point in refused) == 1


# Language models -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    with puppet() as running:
        yield running


@pytest.fixture
def chat(model):
    policy = ChatPolicy(slow_s=0.01)
    observing = Observing(ALL)
    world = Surroundings(watches=chat_watches(policy), observer=observing)
    service = ChatService(upstream_of(model.url), policy, world)
    door = InProcess(app=App(service))

    def tell(text, **fields):
        value = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
        return door.call(json_call(PATH, json.dumps(value).encode()))

    yield observing, tell
    service.close()


def test_a_chat_is_a_span_with_a_call_of_a_model_in_it(chat):
    observing, tell = chat
    assert tell("What is the weather in Rome?", temperature=0.5, max_tokens=50).status == 200
    server, client = observing.taken(10)
    assert (client.name, client.kind, client.parent) == ("chat m", Kind.CLIENT, server.place.span)
    assert client.place.trace == server.place.trace
    said = client.attributes
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.provider.name"] == "openai"
    assert (said["gen_ai.request.max_tokens"], said["gen_ai.request.temperature"]) == (50, 0.5)
    assert said["gen_ai.response.finish_reasons"] == ("stop",)
    assert server.start <= client.start <= client.end <= server.end + 0.001
    assert "Rome" not in repr((server, client))


def test_a_model_that_fails_is_an_error(chat):
    observing, tell = chat
    assert tell(json.dumps({"fault": "busy"})).status == 503
    server, client = observing.taken(10)
    assert client.attributes["error.type"] == "upstream: busy"
    assert client.is_error
    assert server.attributes["error.type"] == "503"


def test_tokens_and_durations_of_a_model_are_counted(chat):
    observing, tell = chat
    tell("What is the weather in Rome?")
    took = metric(observing, "gen_ai.client.operation.duration").buckets
    used = metric(observing, "gen_ai.client.token.usage").buckets
    assert [sum(one.counts) for one in took] == [1]
    assert {one.attributes["gen_ai.token.type"] for one in used} == {"input", "output"}


def test_a_name_that_is_a_text_is_not_told(chat):
    observing, tell = chat
    tell("x", model="my card is 4111 1111 1111 1111")
    told = repr((observing.taken(10), list(observing.metrics())))
    assert "4111" not in told
    assert OTHER in told


def test_names_of_models_are_bounded():
    calls = Calls()
    for number in range(10 * MAX_MODELS):
        calls.ended(f"m{number}", "", 0.1, (1, 1))
    assert len(calls.seconds) <= MAX_MODELS + 1
