"""OTLP as a collector reads it: the messages of opentelemetry-proto are the oracle."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from hauberk.formats.otlp import (
    Buckets,
    Kind,
    Metric,
    Place,
    Point,
    Source,
    Span,
    Temporality,
    metrics,
    place_of,
    rejected,
    traces,
)

SOURCE = Source(resource={"service.name": "loans"}, scope="hauberk.guard", version="1")
PLACE = Place(trace="0af7651916cd43dd8448eb211c80319c", span="b7ad6b7169203331")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def read_spans(body):
    trace = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    return _read(body, trace.ExportTraceServiceRequest())


def read_metrics(body):
    metric = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    return _read(body, metric.ExportMetricsServiceRequest())


def _read(body, message):
    """OTLP writes ids as hexadecimal digits where protobuf's JSON has base64."""
    return json_format.ParseDict(_base64(json.loads(body)), message)


def _base64(value):
    import base64

    if isinstance(value, dict):
        return {
            name: base64.b64encode(bytes.fromhex(item)).decode()
            if name in {"traceId", "spanId", "parentSpanId"}
            else _base64(item)
            for name, item in value.items()
        }
    return [_base64(item) for item in value] if isinstance(value, list) else value


def plain(attributes):
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def span(**changes):
    fields = {
        "place": PLACE,
        "name": "POST /infer",
        "kind": Kind.SERVER,
        "start": 1_760_000_000.5,
        "end": 1_760_000_001.0,
        "attributes": {"a": "x", "b": 2, "c": 0.5, "d": True, "e": ("y", "z")},
    }
    return Span(**(fields | changes))


def test_a_span_says_the_same_to_the_oracle():
    found = read_spans(traces(SOURCE, [span(parent="00f067aa0ba902b7", is_error=True)]))
    resource = found.resource_spans[0]
    (read,) = resource.scope_spans[0].spans
    assert plain(resource.resource.attributes) == {"service.name": "loans"}
    assert read.trace_id.hex() == PLACE.trace
    assert (read.span_id.hex(), read.parent_span_id.hex()) == (PLACE.span, "00f067aa0ba902b7")
    assert (read.name, read.kind, read.status.code) == ("POST /infer", 2, 2)
    assert read.end_time_unix_nano - read.start_time_unix_nano == 500_000_000
    values = plain(read.attributes)
    listed = values.pop("e")
    assert values == {"a": "x", "b": 2, "c": 0.5, "d": True}
    assert [one.string_value for one in listed.values] == ["y", "z"]


def test_a_link_names_another_trace():
    (read,) = read_spans(traces(SOURCE, [span(link=PLACE)])).resource_spans[0].scope_spans[0].spans
    assert read.links[0].trace_id.hex() == PLACE.trace
    assert not read.parent_span_id


def test_metrics_say_the_same_to_the_oracle():
    found = [
        Metric(name="s", unit="{row}", text="t", points=(Point(value=3, attributes={"k": "v"}),)),
        Metric(name="g", unit="1", text="t", points=(Point(value=7),), is_monotonic=False),
        Metric(
            name="h",
            unit="s",
            text="t",
            bounds=(0.1, 1.0),
            buckets=(Buckets(counts=(1, 0, 2), total=9.5),),
        ),
    ]
    body = metrics(SOURCE, found, since=1.0, at=2.5, kind=Temporality.DELTA)
    read = read_metrics(body).resource_metrics[0].scope_metrics[0].metrics
    total, gauge, histogram = read
    assert (total.sum.data_points[0].as_int, total.sum.is_monotonic) == (3, True)
    assert total.sum.aggregation_temporality == 1
    assert plain(total.sum.data_points[0].attributes) == {"k": "v"}
    assert gauge.gauge.data_points[0].as_int == 7
    point = histogram.histogram.data_points[0]
    assert (point.count, list(point.bucket_counts), point.sum) == (3, [1, 0, 2], 9.5)
    assert list(point.explicit_bounds) == [0.1, 1.0]
    assert (point.start_time_unix_nano, point.time_unix_nano) == (10**9, 2_500_000_000)


@given(st.text(max_size=600), st.text(max_size=600))
def test_any_text_is_one_that_the_oracle_reads(name, value):
    body = traces(SOURCE, [span(name=name, attributes={"a": value})])
    (read,) = read_spans(body).resource_spans[0].scope_spans[0].spans
    assert name.encode("utf-16", "surrogatepass").startswith(
        read.name.encode("utf-16", "surrogatepass")
    )
    assert len(plain(read.attributes)["a"]) <= 256


def test_a_parent_is_read():
    assert place_of(PARENT) == PLACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + "-more",
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "x" * 100_000,
    ],
)
def test_what_is_no_parent_is_none(header):
    assert place_of(header) is None


def test_a_later_version_of_the_header_may_say_more():
    assert place_of("01" + PARENT[2:] + "-more") == PLACE


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (b"", 0),
        (b"{}", 0),
        (b'{"partialSuccess":{}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"full"}}', 3),
        (b'{"partialSuccess":{"rejectedDataPoints":2}}', 2),
        (b'{"partialSuccess":{"rejectedSpans":-4}}', 0),
        (b'{"partialSuccess":{"rejectedSpans":"many"}}', 0),
        (b"[1]", 0),
        (b"[" * 100_000, 0),
        (b"\xff", 0),
    ],
)
def test_an_answer_of_any_kind_is_read(answer, count):
    assert rejected(answer)[0] == count
