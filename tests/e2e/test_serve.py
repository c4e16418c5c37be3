"""A project's release, verified and put on line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hauberk.cli._serve import Monitoring, open_any
from hauberk.errors import ArtifactError, HauberkError, TrustError
from hauberk.formats import v2
from hauberk.formats.http import Call, json_call
from hauberk.formats.v2_schema import request_for
from hauberk.guard.app import App
from hauberk.guard.golden import hold_golden, read_golden
from hauberk.guard.loopback import InProcess
from hauberk.guard.service import Surroundings, open_service
from hauberk.range.forgeries import Site


def opened(site: Site):
    return open_any(site.root, site.configuration, root_file=None, unsigned=False, log=None)


def middle_row(bundle) -> dict[str, object]:
    """A row in the middle of every column's range."""
    row = {}
    for tensor in bundle.schema.inputs:
        for rule in tensor.columns:
            name = rule.name or tensor.name
            if rule.categories:
                row[name] = min(rule.categories, key=str)
            elif rule.low is not None and rule.high is not None:
                row[name] = (rule.low + rule.high) / 2
            else:
                row[name] = "x"
    return row


def test_a_release_is_served_and_its_decisions_are_in_the_project_s_log(site: Site):
    found = opened(site)
    before = found.log.size
    live = Monitoring(found.bundle).live
    service = open_service(found.bundle, Surroundings(log=found.log, tap=live))
    door = InProcess(app=App(service))
    body = v2.write_request(request_for(found.bundle.schema, [middle_row(found.bundle)]))
    answer = door.call(json_call(f"/v2/models/{found.bundle.name}/infer", body))
    service.close()
    assert answer.status == 200
    (record,) = list(found.log.records(before))
    assert json.loads(record)["kind"] == "decision"
    assert live.window().rows == 1


def test_a_run_writes_golden_answers_that_its_own_bundle_gives(site: Site):
    (path,) = (site.root / ".hauberk" / "runs").glob("*/golden.json")
    golden = read_golden(path)
    assert hold_golden(opened(site).bundle, golden) == len(golden.rows) > 16


def test_another_order_of_classes_does_not_give_the_golden_answers(site: Site):
    (path,) = (site.root / ".hauberk" / "runs").glob("*/golden.json")
    golden = read_golden(path)
    swapped = replace(golden, expected=tuple(answer[::-1] for answer in golden.expected))
    with pytest.raises(ArtifactError, match="golden"):
        hold_golden(opened(site).bundle, swapped)


def test_what_is_ready_says_so(site: Site):
    service = open_service(opened(site).bundle)
    ready = InProcess(app=App(service)).call(Call(method="GET", path="/v2/health/ready"))
    service.close()
    assert ready.status == 200


def test_a_changed_blob_of_the_model_is_refused(site: Site):
    blobs = site.root / ".hauberk" / "blobs"
    largest = max(
        (path for path in blobs.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    largest.chmod(0o600)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    with pytest.raises(TrustError):
        opened(site)


def test_another_root_of_trust_is_refused(site: Site, tmp_path):
    with pytest.raises(HauberkError):
        open_any(site.root, tmp_path / "empty", root_file=None, unsigned=False, log=None)
