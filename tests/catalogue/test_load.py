import shutil
from collections import Counter
from pathlib import Path

import pytest

from hauberk import catalogue
from hauberk.catalogue.load import HERE, read_references, read_threats
from hauberk.core.lifecycle import COMPONENTS, Component
from hauberk.core.threat import Comparison, Kind, Threat
from hauberk.errors import InternalError

THREATS = tuple(catalogue.threats().values())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogue"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("*.py", "figures", "__pycache__"))
    return folder


def spoil(folder: Path, old: str, new: str, name: str = "acquisition") -> None:
    path = folder / "threats" / f"{name}.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_there_are_a_hundred_surfaces_and_six_that_cut_across():
    counts = Counter(threat.component for threat in THREATS)
    assert sum(counts[component] for component in COMPONENTS) == 100
    assert counts[Component.CROSS_CUTTING] == 6


def test_every_component_has_threats_in_lifecycle_order():
    order = list(dict.fromkeys(threat.component for threat in THREATS))
    assert order == list(Component)


def test_every_kind_is_used():
    assert {threat.kind for threat in THREATS} == set(Kind)


def test_every_attacker_and_every_reference_is_used():
    assert {threat.attacker.id for threat in THREATS} == set(catalogue.attackers())
    used = {foreign for threat in THREATS for foreign in threat.references["atlas"]}
    assert used <= set(catalogue.references()["atlas"])


def test_a_threat_is_found_by_id_and_by_component():
    found = catalogue.threat("AN-1")
    assert found in catalogue.by_component(Component.ANALYSIS)


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.id)
def test_ids_begin_alike_within_a_component(threat: Threat):
    first = catalogue.by_component(threat.component)[0]
    assert threat.id[:2] == first.id[:2]


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('kind = "detective"', 'kind = "magic"', "values are closed"),
        ('attacker = "data-contributor"', 'attacker = "martian"', "attackers come from"),
        ('"AML.T0020", "AML.T0019"', '"AML.T9999"', "atlas ids come from"),
        ('owner = "data"', 'owner = "data"\ncolour = "red"', "keys are closed"),
        ('owner = "data"', "", "all keys are there"),
        ('owner = "data"', "owner = 3", "values have one type"),
        ('id = "AQ-2"', 'id = "AQ-1"', "ids are unique"),
        ('id = "AQ-2"', 'id = "aq 2"', "ids are two capitals"),
        ('component = "acquisition"', 'component = "analysis"', "component fits"),
        ('stage = "data-engineering"', 'stage = "production"', "stage fits"),
        ("value = 0.95", "value = 95.0", "shares lie between"),
        ("trials = 93", "trials = 0", "counts start at 1"),
        ("trials = 93", "trials = true", "values have one type"),
        ("false_alarm_rate = 0.02", "false_alarm_rate = 2", "rates lie between"),
        ('metric = "bad_source_first"', 'metric = "Bad source"', "metrics are"),
        ('title = "Data Poisoning at Source"', 'title = " "', "texts are one line"),
        ("[[threats]]", "[[threats", "files are TOML"),
    ],
)
def test_a_broken_file_is_refused_with_the_rule_it_breaks(
    copy: Path, old: str, new: str, rule: str
):
    spoil(copy, old, new)
    with pytest.raises(InternalError) as caught:
        read_threats(copy)
    assert rule in str(caught.value.rule)
    assert "acquisition.toml" in str(caught.value.subject)


def test_two_parts_with_one_name_are_refused(copy: Path):
    spoil(copy, 'strength = "truncated body"', 'strength = "altered rows"')
    with pytest.raises(InternalError, match="metric and strength name a part"):
        read_threats(copy)


def test_a_threat_without_targets_is_refused(copy: Path):
    path = copy / "threats" / "acquisition.toml"
    text = path.read_text("utf-8")
    start = text.index("targets = [")
    path.write_text(text[:start] + "targets = []" + text[text.index("\n]", start) + 2 :], "utf-8")
    with pytest.raises(InternalError, match="a threat has targets"):
        read_threats(copy)


def test_a_missing_or_oversized_file_is_refused(copy: Path):
    path = copy / "threats" / "serving.toml"
    path.write_bytes(b"#" * (1 << 19))
    with pytest.raises(InternalError, match="files are small"):
        read_threats(copy)
    path.unlink()
    with pytest.raises(InternalError, match="every component has a file"):
        read_threats(copy)


def test_reference_tables_are_closed(copy: Path):
    path = copy / "references.toml"
    path.write_text(path.read_text("utf-8") + '\n[astrology]\n"A1" = "Mars"\n', "utf-8")
    with pytest.raises(InternalError, match="astrology"):
        read_references(path)


def test_the_package_says_what_it_lacks():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = catalogue.nothing_like_it


@pytest.mark.parametrize(
    "threat", [item for item in THREATS if item.mode == "refuse"], ids=lambda threat: threat.id
)
def test_a_refusing_threat_has_a_part_without_tolerance(threat: Threat):
    sharp = {(Comparison.AT_LEAST, 1.0), (Comparison.AT_MOST, 0.0)}
    assert sharp & {(part.comparison, part.value) for part in threat.targets}


def test_no_module_hides_a_function_of_the_same_name():
    exported = set(catalogue.__all__)
    assert exported.isdisjoint(path.stem for path in HERE.glob("*.py"))
