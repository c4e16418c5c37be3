"""What a run says of a private training, of triggers and of slices."""

from __future__ import annotations

from hauberk.core.lifecycle import Component
from hauberk.core.record import RunRecord, Section, StepReport
from hauberk.lifecycle.run import Options, run
from hauberk.lifecycle.settings import load
from hauberk.range.forgeries import Site

RECORD = """
record = {"noise": 2.0, "batch": 32, "rows": len(train), "steps": 100}
with open("privacy.json", "w") as file:
    json.dump({"phases": [record]}, file)
"""
MANY = "len(train)"


def _private(site: Site, bound: str = "<= 50", record: str = RECORD) -> None:
    script, toml = site.root / "steps" / "train.py", site.root / "hauberk.toml"
    script.write_text(script.read_text() + record)
    text = toml.read_text().replace(
        '"metrics.json"]', '"metrics.json", "privacy.json"]\nprivacy = "privacy.json"'
    )
    toml.write_text(text.replace('">= 0.95"', f'">= 0.95", epsilon = "{bound}"'))


def _step(record: RunRecord, component: Component) -> StepReport:
    return next(item for item in record.steps if item.component is component)


def _section(report: StepReport, title: str) -> Section:
    return next(item for item in report.sections if item.title == title)


def test_what_a_private_training_gives_away_is_computed(site: Site, options: Options) -> None:
    _private(site)
    record = run(load(site.root), options)
    assert record.exit_code == 0
    rows = dict(_section(_step(record, Component.TRAINING), _PRIVACY).rows)
    assert rows["steps"] == "100"
    assert "epsilon" in _step(record, Component.VALIDATION).summary


def test_a_training_that_gives_away_too_much_is_refused(site: Site, options: Options) -> None:
    _private(site, bound="<= 0.01")
    record = run(load(site.root), options)
    assert record.exit_code == 1
    assert "epsilon is" in _step(record, Component.VALIDATION).reason


def test_a_claim_of_more_rows_than_there_are_is_refused(site: Site, options: Options) -> None:
    _private(site, record=RECORD.replace("len(train)", "100_000"))
    record = run(load(site.root), options)
    assert record.exit_code != 0
    assert "more than it had" in _step(record, Component.TRAINING).reason


def test_nothing_recorded_is_not_stated(site: Site, options: Options) -> None:
    record = run(load(site.root), options)
    assert dict(_section(_step(record, Component.TRAINING), _PRIVACY).rows).keys() == {"not stated"}


def test_the_released_model_is_searched_for_triggers(site: Site, options: Options) -> None:
    record = run(load(site.root), options)
    places = _section(_step(record, Component.MODEL_EXPORT), "Owned places")
    assert dict(places.rows)["places that one class owns"] == "0"


_PRIVACY = "Differential privacy of the training"
