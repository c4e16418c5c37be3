"""A registry works the same wherever its names and bytes are kept."""

from __future__ import annotations

from random import Random

import pytest

from hauberk.errors import HauberkError
from hauberk.range.worlds.registered import World
from hauberk.trust.registry.names import parse_reference
from hauberk.trust.registry.shelf import open_folder, open_location


def lives(world: World) -> None:
    """From founding to production, and a swap that is refused."""
    world.found()
    world.grant_bob()
    manifest = world.release(Random(1), 1)
    world.publish(manifest)
    world.promote("1")
    assert world.view().resolve(parse_reference("loans@production")).manifest == manifest
    with pytest.raises(HauberkError):
        world.files.swap("metadata/timestamp.json", b"{}", expect="another")
    before = world.files.get("metadata/timestamp.json")
    world.files.swap("metadata/timestamp.json", before.value[:-1], expect=before.tag)
    with pytest.raises(HauberkError):
        world.view()


def test_in_memory():
    lives(World())


def test_in_a_folder(tmp_path):
    place = open_folder(tmp_path)
    lives(World(files=place.files, blobs=place.blobs))
    modes = {path.stat().st_mode & 0o004 for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {0o004}, "others may read what is there to be read"


@pytest.mark.integration
def test_in_an_object_store(s3_backends):
    place = open_location(s3_backends.blobs, {"HAUBERK_STORE_ENDPOINT": s3_backends.endpoint})
    lives(World(files=place.files, blobs=place.blobs))
