"""Flower itself, in an environment of its own: clients hold back, servers join robustly."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.worlds.servers import absent

from hauberk.errors import UsageError
from hauberk.integrations.flower import HeldBack, joined_robustly

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-integrations/flower/bin/python"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    if not PYTHON.exists():
        absent("Flower's environment")
    steps = Path(__file__).with_name("flower_steps.py")
    home = tmp_path_factory.mktemp("flower")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "HOME": str(home)}
    done = subprocess.run(
        [PYTHON, steps],
        env=environment | {"FLWR_TELEMETRY_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.integration
@pytest.mark.slow
class TestInFlower:
    """What a user of Flower sees."""

    def test_an_update_is_clipped_and_noised_and_the_rest_stays(self, found):
        seen = found["held_back"]
        assert seen["plain"] > 10
        assert seen["clipped"] == pytest.approx(1.0, abs=1e-6)
        assert seen["noised"] > 2
        assert seen["whole"] == [3]
        assert seen["types"] == ["float32", "int64"]
        assert seen["metrics"] == {"num-examples": 10}

    def test_an_update_that_gives_a_row_away_is_not_sent(self, found):
        assert found["told_too_much"]["plain"] == [
            2,
            "hauberk: 1 rows could be read off the update",
        ]
        assert found["told_too_much"]["noised"] == "sent"

    @pytest.mark.parametrize("kind", ["honest", "hostile", "trimmed", "broken", "other"])
    def test_joining_stays_with_the_honest(self, found, kind):
        assert found["joined"][kind]["bias"] == pytest.approx([1.02, 1.02], abs=0.02)

    def test_what_does_not_fit_is_counted_and_too_few_change_nothing(self, found):
        joined = found["joined"]
        assert [joined[k]["metrics"]["left-out"] for k in ("honest", "broken", "other")] == [
            0,
            1,
            1,
        ]
        assert joined["few"]["bias"] == [0, 0]
        assert joined["hostile"]["metrics"]["heterogeneity"] > 1
        assert joined["honest"]["metrics"]["heterogeneity"] < 0.01

    def test_secure_aggregation_gives_the_mean_of_clipped_updates_and_nothing_else(self, found):
        assert found["secure"]["values"] == pytest.approx([8**-0.5] * 8, abs=0.01)
        assert found["secure"]["arrays a client sent in the clear"] == 0


@pytest.mark.parametrize("settings", [{"clip": 0}, {"clip": -1.0}, {"clip": float("inf")}])
def test_a_clip_that_is_none_is_refused(settings):
    with pytest.raises(UsageError, match="clip"):
        HeldBack(**settings)


def test_noise_below_nothing_is_refused():
    with pytest.raises(UsageError, match="noise"):
        HeldBack(clip=1.0, noise=-0.1)


@pytest.mark.parametrize(("how", "trim"), [("mean", 0.2), ("krum", 0.2), ("trimmed", 0.5)])
def test_joining_that_one_client_can_bend_is_refused(how, trim):
    with pytest.raises(UsageError, match="no such way"):
        joined_robustly(how=how, trim=trim)


def test_what_rounds_give_away_grows_with_them_and_needs_noise():
    held = HeldBack(clip=1.0, noise=8.0)
    one, many = (held.epsilon(rounds=n, delta=1e-5) for n in (1, 20))
    assert 0.5 < one < 2 < many < 10
    with pytest.raises(UsageError):
        HeldBack(clip=1.0).epsilon(rounds=1, delta=1e-5)
