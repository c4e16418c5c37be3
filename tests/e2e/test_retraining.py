"""A monitor's signed request makes the next run train again, once."""

from __future__ import annotations

import time

import pytest

from hauberk.core.lifecycle import Component
from hauberk.core.record import RunRecord, StepState
from hauberk.errors import UsageError
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.range.forgeries import Site
from hauberk.trust.keys import KeyPair, generate
from hauberk.trust.requests import Request, seal_request

KEY = generate()


def asked(site: Site, number: int, key: KeyPair = KEY, share_ppm: int = 0) -> None:
    """Put a request into the project's folder."""
    now = int(time.time())
    request = Request(
        action="retrain",
        model=load(site.root).project.name,
        number=number,
        at=now,
        until=now + 3600,
        signals=(("telemetry", "columns drifted"), ("labels", "accuracy fell")),
        share_ppm=share_ppm,
    )
    folder = site.root / "requests"
    folder.mkdir(exist_ok=True)
    (folder / f"retrain-{number}.json").write_bytes(seal_request(request, key))


def listen(site: Site, *, key: bool = True) -> None:
    """Let the project take up requests."""
    (site.root / "monitor.pub.pem").write_text(KEY.public.pem)
    file = site.root / "hauberk.toml"
    text = f'{file.read_text()}\n[monitoring]\nrequests = "requests"\n'
    file.write_text(text + ('monitor_key = "monitor.pub.pem"\n' if key else ""))


def training(record: RunRecord) -> StepState:
    return next(step.state for step in record.steps if step.component is Component.TRAINING)


def refused(record: RunRecord) -> set[str]:
    start = "request refused: "
    return {x.removeprefix(start) for x in record.environment if x.startswith(start)}


def test_only_a_request_that_keeps_the_rules_is_answered_and_that_once(
    site: Site, options: Options
) -> None:
    listen(site)
    asked(site, 1, generate())
    asked(site, 2, share_ppm=50_000)
    first = run(load(site.root), options)
    assert refused(first) == {"retrain-1.json", "retrain-2.json"}
    asked(site, 3)
    answered = run(load(site.root), options)
    again = run(load(site.root), options)
    assert (answered.exit_code, training(answered)) == (0, StepState.DONE)
    assert "labels and telemetry agree" in answered.environment["retraining"]
    assert (training(again), "retraining" in again.environment) == (StepState.SKIPPED, False)


def test_requests_without_the_monitors_key_are_a_usage_error(site: Site, options: Options) -> None:
    listen(site, key=False)
    with pytest.raises(UsageError, match="key"):
        run(load(site.root), options)
