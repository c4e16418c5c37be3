"""What a monitor asks for, consumed: a rollback as the reason of persons, workers by a door."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from hauberk.cli import _rollback_request, main
from hauberk.cli._scaling import EVERY_S, Scaling
from hauberk.errors import TrustError, UsageError
from hauberk.range.worlds.registered import ready
from hauberk.trust.keys import generate
from hauberk.trust.registry import deeds
from hauberk.trust.registry.names import parse_reference
from hauberk.trust.registry.upkeep import history
from hauberk.trust.requests import Request, seal_request

KEY = generate()
SIGNALS = (("log", "errors in 20.0% of answers"), ("canary", "3 of 20 answers differ"))


def request(**change):
    made = Request(
        action="rollback",
        model="loans",
        number=41,
        at=1000,
        until=2**40,
        signals=SIGNALS,
    )
    return replace(made, **change)


def put(folder, asked, key=KEY, name="request.json"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(seal_request(asked, key))
    return path


@pytest.fixture
def world():
    found = ready(3, versions=3)[0]
    found.promote("2")
    return found


def arguments(folder, path, **change):
    key = folder / "monitor.pub.pem"
    key.write_text(KEY.public.pem)
    given = {"request": path, "reason": "", "monitor_key": key, "monitored": None}
    return argparse.Namespace(**{**given, "project": str(folder), **change})


def roll_back(world, args):
    for person in (world.keys.ada, world.keys.bob):
        writer = world.writer(person)
        why = _rollback_request.reason(args, writer, "loans")
        outcome = deeds.roll_back(writer, "loans", "1", reason=why, days=7, gate=world.gate)
    return outcome


def test_a_rollback_is_made_for_a_request_by_the_persons_it_needs_and_that_once(world, tmp_path):
    args = arguments(tmp_path, put(tmp_path, request()))
    assert roll_back(world, args).is_published
    past = next(iter(history(world.view(), "loans", "production"))).pointing
    assert past.reason == (
        "monitor's request 41: log: errors in 20.0% of answers; canary: 3 of 20 answers differ"
    )
    assert world.view().resolve(parse_reference("loans@production")).manifest.version == "1"
    world.promote("3")
    with pytest.raises(TrustError, match="refused") as caught:
        roll_back(world, args)
    assert caught.value.rule == "a request counts once"


BROKEN = {
    "of another monitor": ({}, generate(), None),
    "about another model": ({"model": "cards"}, KEY, "a request is about this model"),
    "for something else": ({"action": "scale"}, KEY, "a request is about this model"),
    "that is over": ({"until": 1}, KEY, "a request ends"),
    "of one origin": ({"signals": SIGNALS[:1]}, KEY, "two origins agree"),
    "of the future": ({"at": 2**39}, KEY, "a request is of the past"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_no_rollback_is_made_for_a_request(case, world, tmp_path):
    change, key, rule = BROKEN[case]
    args = arguments(tmp_path, put(tmp_path, request(**change), key))
    with pytest.raises(TrustError) as caught:
        roll_back(world, args)
    assert rule is None or caught.value.rule == rule
    assert world.view().resolve(parse_reference("loans@production")).manifest.version == "2"


def test_a_request_needs_a_key_and_no_second_reason(world, tmp_path):
    path = put(tmp_path, request())
    writer = world.writer(world.keys.ada)
    for change in ({"monitor_key": None}, {"reason": "mine"}):
        with pytest.raises(UsageError):
            _rollback_request.reason(arguments(tmp_path, path, **change), writer, "loans")


# Scale -----------------------------------------------------------------------------------


def scaling(folder, clock, most=4):
    return Scaling(
        folder=folder, key=KEY.public, model="loans", least=1, most=most, clock=lambda: clock[0]
    )


def scale(folder, number, key=KEY, **change):
    asked = request(action="scale", number=number, **change)
    put(folder, asked, key, f"scale-{number:012d}.json")


def test_each_request_that_stands_is_a_worker_until_it_ends(tmp_path, capsys):
    clock = [2000.0]
    found = scaling(tmp_path, clock)
    assert found.wanted() == 1
    scale(tmp_path, 1, until=3000)
    scale(tmp_path, 2, until=4000)
    assert found.wanted() == 1, "the folder is looked at every few seconds"
    for at, expected in ((2000 + EVERY_S + 1, 3), (3500, 2), (4500, 1)):
        clock[0] = at
        assert found.wanted() == expected
    for number in range(10, 20):
        scale(tmp_path, number)
    clock[0] += EVERY_S + 1
    assert found.wanted() == 4
    assert capsys.readouterr().err == ""


def test_nobody_else_gets_workers_and_it_is_told_once(tmp_path, capsys):
    clock = [2000.0]
    found = scaling(tmp_path, clock)
    scale(tmp_path, 1, generate())
    scale(tmp_path, 2, signals=SIGNALS[:1])
    scale(tmp_path, 3, model="cards")
    (tmp_path / "scale-4.json").write_bytes(b"\x1b[31m no envelope")
    for _ in range(3):
        assert found.wanted() == 1
        clock[0] += EVERY_S + 1
    said = capsys.readouterr().err
    assert said.count("ALARM: a request to scale is refused") == 4
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "words",
    [
        ["--max-workers", "3"],
        ["--max-workers", "3", "--requests", ".", "--monitored", "m"],
        ["--requests", ".", "--monitored", "m", "--monitor-key", "no-such-key"],
        ["--workers", "3", "--max-workers", "2", "--requests", ".", "--monitored", "m"],
        ["--max-workers", "1000"],
    ],
)
def test_arguments_that_cannot_be_are_refused(words, tmp_path):
    assert main(["serve", str(tmp_path), "--unsigned", *words]) == 2
