"""The counts of several workers on one page."""

from __future__ import annotations

from hauberk.cli._workers import Share
from hauberk.guard.metrics import Metrics, merged


def counted(n_answers, seconds=0.002, rule=""):
    metrics = Metrics(model="m", version="1")
    for _ in range(n_answers):
        metrics.answered(200, seconds)
    if rule:
        metrics.refuse(rule)
    return metrics


def values(text):
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def test_one_page_stays_as_it_is():
    text = counted(3, rule="budget").text()
    assert values(merged([text])) == values(text)


def test_counts_are_added_up_and_what_is_served_is_said_once():
    pages = [counted(3, rule="a").text(), counted(4, 0.2, rule="b").text(), counted(1).text()]
    found = values(merged(pages))
    assert found['hauberk_requests_total{status="200"}'] == 8
    assert found["hauberk_request_seconds_count"] == 8
    assert found['hauberk_request_seconds_bucket{le="0.0025"}'] == 4
    assert found['hauberk_refused_total{rule="a"}'] == found['hauberk_refused_total{rule="b"}'] == 1
    assert found['hauberk_model_info{model="m",version="1"}'] == 1


def test_each_family_has_its_head_once():
    text = merged([counted(1).text(), counted(2).text()])
    heads = [line for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads)) > 5
    assert text.index("# TYPE hauberk_rows_total") < text.index("\nhauberk_rows_total 0")


def test_every_worker_shows_the_counts_of_all(tmp_path):
    one, other = (Share(number=n, descriptor=0, folder=tmp_path) for n in (1, 2))
    one.show(counted(3).text())
    other.show(counted(4).text())
    for share, own in ((one, counted(5)), (other, counted(5))):
        found = values(share.all_metrics(own.text()))
        assert found['hauberk_requests_total{status="200"}'] == {1: 9, 2: 8}[share.number]


def test_a_worker_shows_its_counts_from_the_start(tmp_path):
    one, other = (Share(number=n, descriptor=0, folder=tmp_path) for n in (1, 2))
    with one.showing(lambda: counted(6).text()):
        found = values(other.all_metrics(counted(1).text()))
    assert found['hauberk_requests_total{status="200"}'] == 7
