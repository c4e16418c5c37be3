"""Reading the catalogue: TOML files to threats, everything checked.

A file names its component and the stage that holds it, and then lists ``[[threats]]``.
Keys are closed: one too many or one too few is an error that says where it stands.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hauberk.catalogue.fields import Fields, broken
from hauberk.core.lifecycle import Component
from hauberk.core.threat import (
    Attacker,
    Comparison,
    Kind,
    Mode,
    Statistic,
    Target,
    Threat,
    ThreatId,
)

HERE = Path(__file__).parent
MAX_FILE_BYTES = 256 * 1024  # the largest file is a tenth of this
FRAMEWORKS = ("atlas", "owasp_ml", "owasp_llm", "nist")
_ID = re.compile(r"[A-Z]{2}-[1-9][0-9]?")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@cache
def threats() -> Mapping[ThreatId, Threat]:
    """All threats by id, in lifecycle order."""
    return read_threats(HERE)


def threat(threat_id: ThreatId) -> Threat:
    """The threat with this id.

    Raises:
        KeyError: There is none.
    """
    return threats()[threat_id]


def by_component(component: Component) -> tuple[Threat, ...]:
    """The threats of one component, in the order of its file."""
    return tuple(item for item in threats().values() if item.component is component)


@cache
def attackers() -> Mapping[str, Attacker]:
    """All attackers by id."""
    return read_attackers(HERE / "attackers.toml")


@cache
def references() -> Mapping[str, Mapping[str, str]]:
    """Framework to id to the name that the framework gives it; `editions` says which edition."""
    return read_references(HERE / "references.toml")


def read_threats(folder: Path) -> Mapping[ThreatId, Threat]:
    """The threats of a catalogue in ``folder``.

    Raises:
        InternalError: A file breaks a rule of the catalogue.
    """
    known = _Known(
        attackers=read_attackers(folder / "attackers.toml"),
        references=read_references(folder / "references.toml"),
    )
    found: dict[ThreatId, Threat] = {}
    for component in Component:
        path = folder / "threats" / f"{component.module}.toml"
        for item in _read_component(path, component, known):
            if item.id in found:
                raise broken(path.name, "ids are unique", "a new id", str(item.id))
            found[item.id] = item
    return MappingProxyType(found)


class _Known:
    """What threats may refer to."""

    def __init__(
        self, attackers: Mapping[str, Attacker], references: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.attackers = attackers
        self.references = references


def read_attackers(path: Path) -> Mapping[str, Attacker]:
    """The closed list of attackers in ``path``."""
    found = {}
    for name, body in _load(path).items():
        fields = Fields(f"{path.name}: {name}", body)
        found[name] = Attacker(id=name, title=fields.text("title"), holds=fields.text("holds"))
        fields.close()
    return MappingProxyType(found)


def read_references(path: Path) -> Mapping[str, Mapping[str, str]]:
    """Names of foreign ids in ``path``, by framework."""
    tables = Fields(path.name, _load(path))
    found = {name: tables.texts_by_name(name) for name in (*FRAMEWORKS, "editions")}
    tables.close()
    return MappingProxyType(found)


def _load(path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise broken(path.name, "every component has a file", "a readable file", "none") from error
    if len(raw) > MAX_FILE_BYTES:
        raise broken(path.name, "files are small", f"at most {MAX_FILE_BYTES} bytes", "more")
    try:
        return tomllib.loads(raw.decode())
    except ValueError as error:
        raise broken(path.name, "files are TOML in UTF-8", "TOML", str(error)) from error


def _read_component(path: Path, component: Component, known: _Known) -> Iterator[Threat]:
    file = Fields(path.name, _load(path))
    for key, value in (("component", component), ("stage", component.stage)):
        if (found := file.text(key)) != value:
            raise broken(file.where, f"{key} fits the file", str(value), found)
    bodies = file.tables("threats")
    file.close()
    for body in bodies:
        yield _threat(body, component, known)


def _threat(fields: Fields, component: Component, known: _Known) -> Threat:
    threat_id = fields.text("id")
    fields.where = f"{fields.where}: {threat_id}"
    if not _ID.fullmatch(threat_id):
        raise broken(fields.where, "ids are two capitals and a number", "AQ-1", threat_id)
    attacker = fields.text("attacker")
    if attacker not in known.attackers:
        raise broken(fields.where, "attackers come from attackers.toml", "a known id", attacker)
    read = Threat(
        id=ThreatId(threat_id),
        title=fields.text("title"),
        stage=component.stage,
        component=component,
        description=fields.text("description"),
        mode=fields.choice("mode", Mode),
        kind=fields.choice("kind", Kind),
        attacker=known.attackers[attacker],
        owner=fields.text("owner"),
        scenario=fields.text("scenario"),
        control=fields.text("control"),
        artifact=fields.text("artifact"),
        targets=_targets(fields),
        references=_references(fields.table("references"), known),
        reported=fields.text("reported", default=""),
        atlas_loose=fields.flag("atlas_loose"),
    )
    fields.close()
    return read


def _targets(fields: Fields) -> tuple[Target, ...]:
    targets = tuple(_target(body) for body in fields.tables("targets"))
    if not targets:
        raise broken(fields.where, "a threat has targets", "at least one", "none")
    keys = [(target.metric, target.strength) for target in targets]
    for key in keys:
        if keys.count(key) > 1:
            raise broken(fields.where, "metric and strength name a part", "once", str(key))
    return targets


def _target(fields: Fields) -> Target:
    metric = fields.text("metric")
    if not _NAME.fullmatch(metric):
        raise broken(fields.where, "metrics are lower-case names", "row_recall", metric)
    target = Target(
        metric=metric,
        comparison=fields.choice("comparison", Comparison),
        value=fields.number("value"),
        unit=fields.text("unit"),
        trials=fields.count("trials"),
        false_alarm_rate=fields.rate("false_alarm_rate"),
        attack=fields.text("attack", default="") or None,
        control=fields.text("control", default="") or None,
        strength=fields.text("strength", default="") or None,
        statistic=fields.choice("statistic", Statistic, default=Statistic.SHARE),
    )
    fields.close()
    if target.statistic is Statistic.SHARE and not 0 <= target.value <= 1:
        raise broken(fields.where, "shares lie between 0 and 1", "0..1", str(target.value))
    return target


def _references(fields: Fields, known: _Known) -> Mapping[str, tuple[str, ...]]:
    found = {}
    for framework in FRAMEWORKS:
        ids = fields.texts(framework)
        for foreign in ids:
            if foreign not in known.references[framework]:
                rule = f"{framework} ids come from references.toml"
                raise broken(fields.where, rule, "a known id", foreign)
        if ids:
            found[framework] = ids
    fields.close()
    return MappingProxyType(found)
