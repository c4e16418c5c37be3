"""The anchor of everything: a reference that whoever trained has signed, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.monitor.test_watching import NOW, World, rows

from hauberk.cli import main
from hauberk.errors import TrustError
from hauberk.monitor.references import days_path
from hauberk.monitor.watching import open_monitor
from hauberk.monitor.web import App
from hauberk.trust.keys import generate, write_private


@pytest.fixture
def signed(tmp_path, capsys):
    world = World(tmp_path)
    key = generate()
    write_private(key, tmp_path / "train.pem")
    (tmp_path / "train.pub.pem").write_text(key.public.pem)
    reference = str(tmp_path / "p.json")
    assert main(["sign", reference, "--key", str(tmp_path / "train.pem")]) == 0
    capsys.readouterr()
    return world, key


def opened(world, key="train.pub.pem"):
    watched = replace(world.settings.models["loans"], reference_key=world.folder / key)
    settings = replace(world.settings, models={"loans": watched})
    return open_monitor(settings, clock=lambda: world.now)


def test_a_signed_reference_is_taken_and_the_page_says_by_whom(signed):
    world, key = signed
    page = App(opened(world)).page("/models/loans", {}).body
    assert f"signed by key {key.public.key_id[:16]}" in page
    assert "no signature was asked for" in App(world.open()).page("/models/loans", {}).body


def test_no_other_reference_is_taken(signed):
    world, _ = signed
    path = world.folder / "p.json"
    with pytest.raises(TrustError):
        opened(world, "r1.pem")
    genuine = path.read_bytes()
    path.write_bytes(genuine.replace(b'"rows":4000', b'"rows":4001'))
    with pytest.raises(TrustError):
        opened(world)
    path.write_bytes(genuine)
    days_path(path).write_bytes(b"{}")
    with pytest.raises(TrustError, match="not signed"):
        opened(world)
    days_path(path).unlink()
    path.with_name("p.json.sig").unlink()
    with pytest.raises(TrustError, match="not signed"):
        opened(world)


def test_the_job_asks_for_the_signature_too(signed):
    world, _ = signed
    world.put("a.parquet", rows(1, 500, at=NOW))
    live = str(world.drop / "a.parquet")
    words = ["monitor", "check", "--reference", str(world.folder / "p.json"), live]
    assert main([*words, "--reference-key", str(world.folder / "train.pub.pem")]) in (0, 1)
    assert main([*words, "--reference-key", str(world.folder / "r1.pem")]) == 1
    (world.folder / "p.json.sig").unlink()
    assert main([*words, "--reference-key", str(world.folder / "train.pub.pem")]) == 1
    words[3] = live
    assert main([*words, "--reference-key", str(world.folder / "train.pub.pem")]) == 2
