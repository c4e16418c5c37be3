"""Only what a release names with its digest is served."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.trust.chains import World, envelope

from hauberk.core.artifact import Digest
from hauberk.errors import TrustError
from hauberk.guard import bundle
from hauberk.guard.release import FOLDER, named, signed
from hauberk.range.worlds import served
from hauberk.trust.keys import generate
from hauberk.trust.predicates import release_statement


@pytest.fixture
def world(tmp_path):
    """A project that released the classifier's bundle, which carries the signed release."""
    folder = tmp_path / "bundle"
    digests = served.write_classifier(folder).digests
    files = {f"{FOLDER}/{name}": digest for name, digest in digests.items()}
    model = f"{FOLDER}/model.onnx"
    found = World.honest(tmp_path / "project")
    found.change_release = lambda release: replace(release, files=files, model=model)
    found.bundle = folder
    bundle.add_statement(folder, envelope(release_statement(found.release()), found.release_key))
    return found


def test_a_bundle_with_its_signed_release_is_served(world):
    assert bundle.load(world.bundle, verify=signed(world.root())).name == "classifier"


def test_a_bundle_of_a_verified_release_is_served(world):
    assert bundle.load(world.bundle, verify=named(world.release())).version == "1"


def test_a_bundle_without_a_release_is_refused(world):
    for path in (world.bundle / "statements").iterdir():
        path.unlink()
    with pytest.raises(TrustError, match="carries no release"):
        bundle.load(world.bundle, verify=signed(world.root()))


def test_a_release_signed_by_a_foreign_key_is_refused(world):
    foreign = replace(world, release_key=generate())
    with pytest.raises(TrustError, match="carries no release"):
        bundle.load(world.bundle, verify=signed(foreign.root()))


def test_a_release_signed_by_a_key_of_another_role_is_refused(world):
    (path,) = (world.bundle / "statements").iterdir()
    path.write_bytes(envelope(release_statement(world.release()), world.lifecycle))
    with pytest.raises(TrustError, match="carries no release"):
        bundle.load(world.bundle, verify=signed(world.root()))


def test_a_release_below_the_floor_is_refused(world):
    with pytest.raises(TrustError, match="may be served"):
        bundle.load(world.bundle, verify=signed(world.root(release_floor=4)))


def test_a_release_of_another_project_is_refused(world):
    with pytest.raises(TrustError, match="may be served"):
        bundle.load(world.bundle, verify=signed(world.root(project="others")))


def test_a_release_made_by_too_old_a_version_is_refused(world):
    with pytest.raises(TrustError, match="too old a version"):
        bundle.load(world.bundle, verify=signed(world.root(tool_floor="0.2.0")))


def test_a_bundle_remade_after_the_release_is_refused(world, tmp_path):
    (envelope_path,) = (world.bundle / "statements").iterdir()
    served.write_parrot(tmp_path / "other")
    bundle.add_statement(tmp_path / "other", envelope_path.read_bytes())
    with pytest.raises(TrustError, match="not the released one"):
        bundle.load(tmp_path / "other", verify=signed(world.root()))


def test_a_file_that_the_release_does_not_name_is_refused(world):
    release = replace(world.release(), files={f"{FOLDER}/model.onnx": Digest("sha256:" + "0" * 64)})
    with pytest.raises(TrustError, match="no such file in the release"):
        bundle.load(world.bundle, verify=named(release))


def test_statements_that_are_no_envelopes_are_passed_over(world):
    bundle.add_statement(world.bundle, b"not an envelope")
    assert bundle.load(world.bundle, verify=signed(world.root()))
