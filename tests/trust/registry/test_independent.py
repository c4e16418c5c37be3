"""The registry before python-tuf's own client: the same states are taken and refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuf.api.exceptions import DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from hauberk.range.worlds.registered import World, ready

MODELS = "models/loans/1.json"
CHANNEL = "channels/loans/production.json"


class Files(FetcherInterface):
    """Gives python-tuf's client the world's files."""

    def __init__(self, world: World) -> None:
        self.world = world

    def _fetch(self, url: str) -> Iterator[bytes]:
        found = self.world.files.get(url.removeprefix("https://registry/"))
        if found is None:
            raise DownloadHTTPError("not found", 404)
        yield found.value


def updater(world: World, folder: Path) -> Updater:
    first = world.files.get("metadata/1.root.json").value
    return Updater(
        metadata_dir=str(folder),
        metadata_base_url="https://registry/metadata/",
        target_dir=str(folder),
        target_base_url="https://registry/targets/",
        fetcher=Files(world),
        bootstrap=first,
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    import time

    world, _ = ready(11)
    world.clock.now = time.time()
    from hauberk.trust.registry.upkeep import resign

    resign(world.writer(*world.keys.online))
    return world


def test_another_client_follows_a_channel_to_the_same_bytes(world: World, tmp_path: Path):
    client = updater(world, tmp_path)
    client.refresh()
    for path in (MODELS, CHANNEL):
        info = client.get_targetinfo(path)
        assert info is not None
        read = Path(client.download_target(info, str(tmp_path / path.replace("/", "_"))))
        assert read.read_bytes() == world.view().document(path)


def test_another_client_refuses_a_swapped_role(world: World, tmp_path: Path):
    name = next(iter(world.files.list("metadata/1.production")))
    before = world.files.get(name)
    world.files.swap(name, before.value.replace(b"loans", b"loanz"), expect=before.tag)
    client = updater(world, tmp_path)
    client.refresh()
    with pytest.raises(RepositoryError):
        client.get_targetinfo(CHANNEL)
