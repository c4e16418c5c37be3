import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.trust.chains import World, root_of

from hauberk.errors import ArtifactError, TrustError, UnavailableError, UsageError
from hauberk.trust import root as module
from hauberk.trust.digest import digest_bytes
from hauberk.trust.keys import (
    STATEMENT_ROLES,
    Algorithm,
    Label,
    generate,
    load_public,
    make_missing,
)
from hauberk.trust.role_keys import RoleKeys, TrustedKey
from hauberk.trust.root import (
    Pin,
    check_tool,
    from_json,
    load,
    own_root,
    pin,
    resolve,
    root_path,
    to_json,
    version_order,
)

LIFECYCLE, RELEASE = generate(), generate(Algorithm.ED25519)
ROOT = root_of(
    LIFECYCLE,
    RELEASE,
    steps=("training",),
    sources={"data/raw.csv": digest_bytes(b"raw")},
    project_waivers=True,
)


@pytest.fixture
def config(tmp_path):
    return tmp_path / "config"


def changed(**changes):
    body = json.loads(to_json(ROOT)) | changes
    return json.dumps({key: value for key, value in body.items() if value is not ...}).encode()


def changed_role(**changes):
    roles = json.loads(to_json(ROOT))["roles"]
    return changed(roles=roles | {"release": roles["release"] | changes})


def test_a_root_survives_its_spelling():
    assert from_json(to_json(ROOT)) == ROOT


def test_a_pinned_root_is_found_again(config):
    path = pin(ROOT, config)
    assert path == root_path(config, "loans")
    assert path.stat().st_mode & 0o777 == 0o600
    assert resolve("loans", config) == ROOT


def test_a_file_that_the_caller_names_counts_as_pinned_and_wins(config, tmp_path):
    pin(ROOT, config)
    file = tmp_path / "organisation.json"
    file.write_bytes(to_json(replace(ROOT, version=9, state=Pin.FIRST_USE)))
    file.chmod(0o644)
    assert resolve("loans", config, file=file) == replace(ROOT, version=9, state=Pin.PINNED)


def test_the_owner_of_keys_makes_a_root_of_them(tmp_path):
    label = Label(machine="m1", custodian="ada")
    make_missing(tmp_path / "keys", label)
    root = own_root("loans", tmp_path / "keys", policy=ROOT.policy, tool_floor="0.1.0")
    for role in STATEMENT_ROLES:
        key = TrustedKey(public=load_public(tmp_path / "keys", role)[0], label=label)
        assert root.keys(role) == RoleKeys(threshold=1, keys=(key,))


def test_without_a_root_nothing_can_be_verified(config):
    with pytest.raises(UnavailableError, match="no root of trust") as caught:
        resolve("loans", config)
    assert "--root" in caught.value.hint
    with pytest.raises(UnavailableError, match="no root of trust"):
        resolve("loans", config, file=config / "none.json")


# First use ----------------------------------------------------------------------------


def test_first_use_takes_what_is_offered_and_says_so(config):
    assert resolve("loans", config, offered=ROOT) == replace(ROOT, state=Pin.FIRST_USE)
    assert resolve("loans", config).state is Pin.FIRST_USE


def test_after_first_use_another_offer_counts_for_nothing(config):
    resolve("loans", config, offered=ROOT)
    other = root_of(generate(), generate())
    assert resolve("loans", config, offered=other) == replace(ROOT, state=Pin.FIRST_USE)


def test_a_store_replaced_together_with_its_keys_and_policy_is_refused(tmp_path):
    config = tmp_path / "config"
    victim = World.honest(tmp_path / "victim")
    resolve("loans", config, offered=victim.root())
    attacker = World.honest(tmp_path / "attacker")
    offered = attacker.root()
    assert attacker.verify(root=offered)
    with pytest.raises(TrustError, match="unknown key"):
        attacker.verify(root=resolve("loans", config, offered=offered))


def test_a_root_taken_on_first_use_can_be_confirmed(config):
    resolve("loans", config, offered=ROOT)
    pin(ROOT, config)
    assert resolve("loans", config).state is Pin.PINNED


def test_another_root_does_not_confirm_it(config):
    resolve("loans", config, offered=ROOT)
    with pytest.raises(TrustError, match="pinned already"):
        pin(replace(ROOT, release_floor=0), config)


def test_a_pinned_root_yields_only_to_a_newer_one(config):
    pin(ROOT, config)
    for version in (0, 1):
        with pytest.raises(TrustError, match="pinned already"):
            pin(replace(ROOT, version=version, release_floor=0), config)
    pin(replace(ROOT, version=2), config)
    assert resolve("loans", config).version == 2


def test_an_offer_for_another_project_is_refused(config):
    with pytest.raises(TrustError, match="another project"):
        resolve("mortgages", config, offered=ROOT)
    assert not root_path(config, "loans").exists()


# Files --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_root_that_others_may_write_is_refused(config, mode):
    pin(ROOT, config).chmod(mode)
    with pytest.raises(TrustError, match="others may write"):
        resolve("loans", config)


def test_a_folder_or_pipe_is_no_root(config):
    os.mkfifo(config.parent / "pipe", 0o600)
    for path in (config.parent / "pipe", config.parent):
        with pytest.raises((TrustError, UnavailableError)):
            load(path)


def test_a_root_of_another_user_is_refused(config, monkeypatch):
    path = pin(ROOT, config)
    mine = os.geteuid()
    if mine == 0:
        os.chown(path, 1, 1)
    else:
        monkeypatch.setattr(module.os, "geteuid", lambda: mine + 1)
    with pytest.raises(TrustError, match="others may write"):
        resolve("loans", config)


@pytest.mark.parametrize("project", ["", ".", "..", "../x", "a/b", ".hidden", "a\n", "é", "x" * 65])
def test_names_that_lead_elsewhere_are_refused(config, project):
    with pytest.raises(UsageError):
        root_path(config, project)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        *(changed(**{key: ...}) for key in module._ROOT_KEYS),
        changed(format="other"),
        changed(more=1),
        changed(version=-1),
        changed(version=True),
        changed(version=1.0),
        changed(tool_floor="new"),
        changed(policy={"fail_on": "high"}),
        changed(sources={"a": "md5:0"}),
        changed(sources=[]),
        changed(steps=[1]),
        changed(state="sure"),
        changed(project_waivers=1),
        changed(roles={"boss": {}}),
        changed_role(threshold=0),
        changed_role(threshold=2),
        changed_role(keys=[]),
        changed_role(keys=[{}]),
        changed_role(keys=json.loads(to_json(ROOT))["roles"]["release"]["keys"] * 2),
        changed_role(
            keys=[json.loads(to_json(ROOT))["roles"]["release"]["keys"][0] | {"key_id": "0" * 64}]
        ),
        changed_role(
            keys=[json.loads(to_json(ROOT))["roles"]["release"]["keys"][0] | {"label": 1}]
        ),
    ],
)
def test_bytes_that_are_no_root_are_refused(data):
    with pytest.raises(ArtifactError):
        from_json(data)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_our_error(data):
    with pytest.raises(ArtifactError):
        from_json(data)


def test_a_root_too_large_is_refused(config, monkeypatch):
    path = pin(ROOT, config)
    monkeypatch.setattr(module, "MAX_ROOT_BYTES", 100)
    with pytest.raises(ArtifactError, match="too large"):
        load(path)


# Versions -----------------------------------------------------------------------------


def test_versions_are_ordered_by_number_and_suffix():
    ordered = ["0", "0.0.9", "0.1.0rc1", "0.1", "0.1.1", "0.2", "0.10", "1.0.dev3", "1", "2.0"]
    assert sorted(ordered, key=version_order) == ordered
    assert version_order("1.0.0") == version_order("1") == version_order("1+local.2")


@pytest.mark.parametrize("text", ["", "v1", "1.", "-1", "1..2", "1" * 20, "٣", "1\n", "1+", "1 a"])
def test_other_texts_are_no_versions(text):
    with pytest.raises(ArtifactError, match="version"):
        version_order(text)


def test_a_tool_at_the_floor_counts_and_an_older_one_does_not():
    check_tool(ROOT, "0.1.0", subject="training")
    with pytest.raises(TrustError, match="too old"):
        check_tool(ROOT, "0.0.9", subject="training")
