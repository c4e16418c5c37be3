"""Statements of trusted keys that say nonsense: typed errors, never a traceback."""

import json
from dataclasses import replace

import pytest
from tests.trust.chains import REQUIRED, World, envelope

from hauberk.errors import ArtifactError, TrustError
from hauberk.trust.canonical import canonical_json
from hauberk.trust.chain import verify_chain
from hauberk.trust.digest import digest_bytes
from hauberk.trust.predicates import (
    Named,
    model_test_statement,
    release_statement,
    step_statement,
)

JUNK = (None, True, -1, 1.5, "", "x", "a/../b", [], [None], {}, {"a": 1}, ...)


def places_in(value, path=()):
    """Every path in a JSON value, leaves and containers."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places_in(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from places_in(item, (*path, index))


def replaced(payload, path, junk):
    """The payload with the value at a path replaced, or removed for ``...``."""
    body = json.loads(payload)
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    if junk is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = junk
    return canonical_json(body)


@pytest.fixture
def world(tmp_path):
    return World.honest(tmp_path / "project")


def verify(world, release, payloads):
    return verify_chain(
        release=envelope(release, world.release_key),
        statements=[envelope(payload, world.lifecycle) for payload in payloads],
        places=world.places(),
        root=world.root(),
        required=REQUIRED,
    )


def is_refused(world, release, payloads):
    try:
        verify(world, release, payloads)
    except (TrustError, ArtifactError) as error:
        return bool(str(error))
    return False


# Where a trusted key may say something else than it did: what is not held against anything
# (commands, parameters, names of runs), what may be left out, and defaults of a policy.
POLICY = {("fail_on",), ("required",), ("waivers",)}
FREE_IN_STEP = {
    ("externalParameters", "command"),
    ("externalParameters", "command", 0),
    ("externalParameters", "command", 1),
    ("externalParameters", "parameters"),
    ("externalParameters", "parameters", "seed"),
    ("resolvedDependencies",),
    ("resolvedDependencies", 0),
    ("byproducts",),
    ("byproducts", 0),
    ("subject", 0),
    ("subject", 2),
}
FREE_IN_TEST = {
    ("hauberk_metrics",),
    ("hauberk_metrics", "roc_auc"),
    ("hauberk_run", "run"),
    ("failedTests",),
    ("warnedTests",),
    ("passedTests",),
    ("passedTests", 0),
}
FREE_IN_RELEASE = {
    ("predicate", "channel"),
    ("predicate", "version"),
    ("circumstances", "run"),
    ("sources", 0, "kept"),
}


def is_free(path, free):
    return any(path[-len(tail) :] == tail for tail in free | POLICY)


def test_nonsense_in_a_step_is_refused_or_harmless(world):
    payload = step_statement(world.steps[2])
    others = [step_statement(step) for step in world.steps[:2]]
    others += [model_test_statement(test) for test in world.tests]
    for path in places_in(json.loads(payload)):
        for junk in JUNK if path else ():
            changed = replaced(payload, path, junk)
            world.change_release = lambda made, changed=changed: named(made, 2, changed)
            release = release_statement(world.release())
            refused = is_refused(world, release, [*others, changed])
            assert refused or is_free(path, FREE_IN_STEP), (path, junk)


def named(made, index, payload):
    steps = list(made.steps)
    steps[index] = Named(name=steps[index].name, digest=digest_bytes(payload))
    return replace(made, steps=tuple(steps))


def test_nonsense_in_a_test_is_refused_or_harmless(world):
    payload = model_test_statement(world.tests[0])
    others = [step_statement(step) for step in world.steps]
    for path in places_in(json.loads(payload)):
        for junk in JUNK if path else ():
            changed = replaced(payload, path, junk)
            tests = (Named(name="validation", digest=digest_bytes(changed)),)
            world.change_release = lambda made, tests=tests: replace(made, tests=tests)
            release = release_statement(world.release())
            refused = is_refused(world, release, [*others, changed])
            assert refused or is_free(path, FREE_IN_TEST), (path, junk)


def test_nonsense_in_a_release_is_refused_or_harmless(world):
    payload = release_statement(world.release())
    payloads = [step_statement(step) for step in world.steps]
    payloads += [model_test_statement(test) for test in world.tests]
    for path in places_in(json.loads(payload)):
        for junk in JUNK if path else ():
            refused = is_refused(world, replaced(payload, path, junk), payloads)
            assert refused or is_free(path, FREE_IN_RELEASE), (path, junk)
