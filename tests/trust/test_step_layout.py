"""Layouts of pipelines and the links that are held against them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from hauberk.attacks.pipeline.alter_pipeline import DEEDS, AlterPipeline
from hauberk.errors import ArtifactError, TrustError
from hauberk.range.worlds.signed_pipelines import NOW, SignedPipeline, lying
from hauberk.trust.digest import digest_bytes
from hauberk.trust.dsse import Envelope
from hauberk.trust.step_layout import open_layout, read_layout, seal
from hauberk.trust.step_links import link

WORLD = SignedPipeline()
HONEST = WORLD.honest(Random(1))


def layout():
    return read_layout(Envelope.from_bytes(WORLD.layout).payload)


def owners():
    return {WORLD.owner.public.key_id: WORLD.owner.public}


def test_an_honest_run_is_as_declared():
    WORLD.check(WORLD.links(HONEST), lying(HONEST))


@pytest.mark.parametrize("deed", DEEDS)
def test_a_changed_pipeline_is_refused(deed):
    changed = AlterPipeline(deed=deed).apply(HONEST, Random(2)).subject
    with pytest.raises(TrustError):
        WORLD.check(WORLD.links(changed), lying(changed))


def test_links_by_a_foreign_key_are_refused():
    with pytest.raises(TrustError, match="not signed by its functionaries"):
        WORLD.check(WORLD.links(HONEST, signer=WORLD.stranger), lying(HONEST))


def test_another_container_image_is_refused():
    links = WORLD.links(HONEST, images={"train": digest_bytes(b"other")})
    with pytest.raises(TrustError, match="another container image"):
        WORLD.check(links, lying(HONEST))


def test_a_file_exchanged_after_the_last_step_is_refused():
    held = lying(HONEST) | {"registry/layer.tar": digest_bytes(b"other")}
    with pytest.raises(TrustError, match="not what upload made"):
        WORLD.check(WORLD.links(HONEST), held)


def test_an_artifact_swapped_between_two_steps_is_refused():
    steps = list(HONEST.steps)
    steps[2] = replace(steps[2], materials={"model.onnx": digest_bytes(b"other")})
    swapped = replace(HONEST, steps=tuple(steps))
    with pytest.raises(TrustError, match="not what package should take"):
        WORLD.check(WORLD.links(swapped), lying(swapped))


def test_two_links_of_one_step_are_refused():
    links = WORLD.links(HONEST)
    with pytest.raises(TrustError, match="two links"):
        WORLD.check(links | {"again.link": links["0.link"]}, lying(HONEST))


def test_an_expired_layout_is_refused():
    with pytest.raises(TrustError, match="expired"):
        open_layout(WORLD.layout, owners(), 1, NOW + 100_000)


def test_a_layout_signed_by_somebody_else_is_refused():
    forged = seal(layout(), [WORLD.stranger]).to_bytes()
    with pytest.raises(TrustError):
        open_layout(forged, owners(), 1, NOW)


def test_a_layout_comes_back_as_it_was_sealed():
    assert open_layout(WORLD.layout, owners(), 1, NOW) == layout()


@pytest.mark.parametrize(
    "change",
    [{"by": ("nobody",)}, {"threshold": 2}, {"command": ()}, {"materials": {"a": "later"}}],
)
def test_a_layout_that_contradicts_itself_is_refused(change):
    known = layout()
    steps = (replace(known.steps[0], **change), *known.steps[1:])
    with pytest.raises(ArtifactError):
        seal(replace(known, steps=steps), [WORLD.owner])


def test_a_second_functionary_adds_a_signature_to_a_link():
    first = WORLD.links(HONEST)["0.link"]
    both = link(Envelope.from_bytes(first).payload, WORLD.stranger, first)
    assert len(Envelope.from_bytes(both).signatures) == 2
