"""A server goes on when the registry falls silent, and ends when its version is retired."""

from __future__ import annotations

import threading

from hauberk.cli._recall import Recall
from hauberk.range.worlds.registered import World, ready


def recall(world: World, said: list[str], stop=lambda: None) -> Recall:
    manifest = world.view().manifest("loans", "1")[0]
    return Recall(world.view, manifest, stop=stop, say=said.append, every_s=0.01)


def test_a_loaded_model_goes_on_when_the_metadata_expires():
    world, said = ready(1)[0], []
    looking = recall(world, said)
    assert not looking.look()
    world.clock.turn(2)
    assert not looking.look()
    assert not looking.look()
    assert sum("ALARM" in line for line in said) == 1


def test_a_retired_version_ends_its_server():
    world, said = ready(2)[0], []
    ended = threading.Event()
    looking = recall(world, said, ended.set)
    world.retire("1")
    looking.start()
    assert ended.wait(60)
    assert looking.reason == "backdoor found"
    assert "retired" in said[-1]


def test_another_version_does_not():
    world, said = ready(3)[0], []
    world.retire("2")
    assert not recall(world, said).look()
    assert said == []
