"""Whatever happens in whatever order, a client of the registry is served nothing wrong.

That is: nothing retired, no older state than it has seen, no production that two persons did
not sign.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hauberk.errors import HauberkError, InternalError
from hauberk.range.worlds.registered import ready
from hauberk.trust.registry.anchor import VolatileMemory
from hauberk.trust.registry.names import parse_reference
from hauberk.trust.registry.upkeep import resign


class Registry(RuleBasedStateMachine):
    """A model of what should be: versions, promotions, retirements, and one client."""

    @initialize(seed=st.integers(0, 7))
    def begin(self, seed: int):
        self.world, _ = ready(seed, versions=1, promoted=1)
        self.rng = Random(1_000 + seed)  # the world's own would give its first version again
        self.memory = VolatileMemory()
        self.published, self.retired = 1, set()
        self.signed = {1}
        self.production = 1
        self.highest = 1
        self.kept = []
        self.seen = 0
        self.attacked = False

    def attempt(self, act) -> bool:
        try:
            return bool(act().is_published)
        except InternalError:
            raise
        except HauberkError:
            return False

    def restore_today(self):
        if self.attacked:
            self.put(self.today)
            self.attacked = False

    def put(self, files):
        for name in set(self.world.files.list()) | set(files):
            before = self.world.files.get(name)
            value = files.get(name)
            if (before.value if before else None) != value:
                self.world.files.swap(name, value, expect=before.tag if before else None)

    @rule()
    def publish(self):
        self.restore_today()
        number = self.published + 1
        manifest = self.world.release(self.rng, number)
        assert self.attempt(lambda: self.world.publish(manifest))
        self.published = number

    @rule(data=st.data())
    def promote(self, data):
        self.restore_today()
        version = data.draw(st.integers(1, self.published))
        both = data.draw(st.booleans())
        keys = self.world.keys
        people = (keys.ada, keys.bob) if both else (keys.ada,)
        before = self.world.files.get("drafts/production.json")
        if before is not None:
            self.world.files.swap("drafts/production.json", None, expect=before.tag)
        done = self.attempt(lambda: self.world.promote(str(version), *people))
        fits = version > self.highest and version not in self.retired
        assert done == (both and fits)
        if done:
            self.production = self.highest = version

    @rule(data=st.data())
    def roll_back(self, data):
        self.restore_today()
        version = data.draw(st.integers(1, self.published))
        done = self.attempt(lambda: self.world.roll_back(str(version), days=20))
        fits = version < self.highest and version not in self.retired
        assert done == fits
        if done:
            self.production = version

    @rule(data=st.data())
    def retire(self, data):
        self.restore_today()
        version = data.draw(st.integers(1, self.published))
        done = self.attempt(lambda: self.world.retire(str(version)))
        assert done == (version not in self.retired)
        self.retired.add(version)

    @rule(days=st.floats(0.1, 0.9))
    def a_day_passes(self, days: float):
        self.restore_today()
        self.world.clock.turn(days)
        resign(self.world.writer(*self.world.keys.online, self.world.keys.trainer))

    @rule()
    def somebody_keeps_a_copy(self):
        self.restore_today()
        self.kept.append(self.world.copy())

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def the_store_is_set_back(self, data):
        self.restore_today()
        self.today = self.world.copy()
        self.put(data.draw(st.sampled_from(self.kept)))
        self.attacked = True

    @precondition(lambda self: not self.attacked)
    @rule(data=st.data())
    def a_file_is_changed(self, data):
        self.today = self.world.copy()
        name = data.draw(st.sampled_from(sorted(self.today)))
        body = bytearray(self.today[name])
        body[data.draw(st.integers(0, 1 << 20)) % len(body)] ^= 1  # lengths differ by run
        self.put({**self.today, name: bytes(body)})
        self.attacked = True

    @invariant()
    def the_client_is_served_nothing_wrong(self):
        if not hasattr(self, "world"):
            return
        try:
            view = self.world.view(self.memory)
            found = view.resolve(parse_reference("loans@production"))
        except InternalError:
            raise
        except HauberkError:
            assert self.attacked or self.production in self.retired
            return
        state = view.trusted.timestamp.version
        assert state >= self.seen
        self.seen = state
        number = found.manifest.sequence
        assert number == self.production
        assert number not in self.retired
        assert found.custody == "2 custodians"


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
TestRegistry.pytestmark = [pytest.mark.slow]
