"""What `UnverifiedVersion` says of a served data set."""

from random import Random

import pytest

from hauberk.controls.registry.unverified_version import UnverifiedVersion
from hauberk.core.finding import Outcome
from hauberk.engine.assess import assess
from hauberk.range.worlds.datasets import Warehouse, copy_of
from hauberk.range.worlds.lineages import NAME, TAG, warehouse

CONTROL = UnverifiedVersion()
HOUSE = warehouse(Random(1))


def judged(house, wanted=None):
    return assess(CONTROL, house.entry(NAME, wanted))


def test_a_signed_version_whose_files_lie_there_is_clean():
    assert judged(HOUSE).outcome is Outcome.CLEAN


def test_a_client_without_a_root_is_told_so():
    entry = HOUSE.entry(NAME)
    bare = type(entry)(name=NAME, version="3", channel="data", read=entry.read)
    assert assess(CONTROL, bare).outcome is Outcome.NOT_APPLICABLE


@pytest.mark.parametrize("way", ["changed", "extra", "missing", "longer"])
def test_files_that_differ_are_named(way):
    house = copy_of(HOUSE)
    data = house.copy["rows.csv"]
    house.copy = {
        "changed": {"rows.csv": data[:-1] + bytes([data[-1] ^ 1])},
        "extra": {"rows.csv": data, "more.csv": b""},
        "missing": {},
        "longer": {"rows.csv": data + b"\n"},
    }[way]
    (finding,) = judged(house).findings
    assert finding.location.field == ("more.csv" if way == "extra" else "rows.csv")


def test_an_older_version_is_not_the_newest_files():
    assert judged(HOUSE, TAG).findings


def test_a_store_rolled_back_behind_what_was_seen_is_refused():
    house = copy_of(HOUSE)
    house.seen = house.newest(NAME)
    del house.log[-1]
    last = house.events(NAME)[-1]
    house.pointers[NAME] = {key: last[key] for key in ("number", "version", "envelope")}
    house.copy = {}
    assert "older than" in judged(house).findings[0].message


def test_versions_stay_good_after_one_of_three_keys_was_taken_away():
    house = Warehouse(keys=(*HOUSE.keys, *Warehouse().keys[:1]))
    house.publish(NAME, {"rows.csv": b"1"})
    house.keys = house.keys[:2]
    assert judged(house).outcome is Outcome.CLEAN


def test_a_missing_name_or_version_is_a_refusal_and_no_mistake_of_the_caller():
    assert judged(HOUSE, "9").outcome is Outcome.FLAGGED
    assert judged(Warehouse()).outcome is not Outcome.CLEAN
