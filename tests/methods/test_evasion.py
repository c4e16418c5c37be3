import numpy as np
import pytest

from hauberk.errors import InternalError, UsageError
from hauberk.methods import evasion, schema
from hauberk.methods.evasion import Space, Target
from hauberk.methods.perturb import Ball
from hauberk.methods.stress import Budget, stressed

ROWS = np.random.default_rng(2).uniform(0.2, 0.8, (60, 4))
WEIGHTS = np.array([3.0, -2.0, 1.0, 0.5])


def _scores(rows):
    z = (rows - 0.5) @ WEIGHTS
    return np.stack([-z, z], axis=1)


def _slope(rows, labels):
    return _scores(rows), np.where(labels == 1, -1, 1)[:, None] * WEIGHTS * np.ones_like(rows)


LABELS = _scores(ROWS).argmax(axis=1)
SPACE = Space(ball=Ball(eps=0.1, low=0.0, high=1.0))


def _beaten(moved):
    return evasion.wrong(_scores(moved), LABELS)


def _possible():
    """Rows that the best corner of the ball turns; the model is linear, so it is known."""
    return np.abs((ROWS - 0.5) @ WEIGHTS) <= 0.1 * np.abs(WEIGHTS).sum() + 1e-9


ATTACKS = {
    "fgsm": lambda t: evasion.fast_step(t, ROWS, LABELS, SPACE),
    "pgd": lambda t: evasion.projected_steps(t, ROWS, LABELS, SPACE, np.random.default_rng(0)),
    "auto": lambda t: evasion.projected_steps(
        t, ROWS, LABELS, SPACE, np.random.default_rng(0), adaptive=True
    ),
    "search": lambda t: evasion.flips(
        t, ROWS, LABELS, SPACE, np.random.default_rng(0), n_queries=200
    ),
    "square": lambda t: evasion.square(
        t, ROWS, LABELS, SPACE, np.random.default_rng(0), shape=(1, 2, 2), n_queries=200
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_turns_what_can_be_turned_and_stays_in_the_ball(attack):
    moved = attack(Target(ask=_scores, slope=_slope))
    assert np.abs(moved - ROWS).max() <= 0.1 + 1e-9
    assert (_beaten(moved) <= _possible()).all()
    assert _beaten(moved).sum() >= 0.9 * _possible().sum()


def test_rows_that_are_fooled_are_asked_no_more():
    target = Target(ask=_scores, slope=_slope)
    evasion.projected_steps(target, ROWS, LABELS, SPACE, np.random.default_rng(0), n_steps=20)
    resisting = int((~_possible()).sum())
    assert target.tally.backward < 20 * len(ROWS)
    assert target.tally.backward >= 20 * resisting


def test_an_l2_attack_stays_in_its_ball():
    space = Space(ball=Ball(eps=0.1, low=0.0, high=1.0), norm="l2")
    target = Target(ask=_scores, slope=_slope)
    moved = evasion.projected_steps(target, ROWS, LABELS, space, np.random.default_rng(0))
    assert np.linalg.norm(moved - ROWS, axis=1).max() <= 0.1 + 1e-9
    assert _beaten(moved).any()


def test_classes_alone_lead_near_the_boundary():
    starts = ROWS[::-1].copy()
    target = Target(ask=lambda rows: np.eye(2)[_scores(rows).argmax(axis=1)])
    moved = evasion.decision_steps(
        target, ROWS, LABELS, SPACE, np.random.default_rng(0), starts=starts
    )
    ok = evasion.wrong(_scores(starts), LABELS)
    found = np.linalg.norm(moved - ROWS, axis=1)[ok]
    best = (np.abs((ROWS - 0.5) @ WEIGHTS) / np.linalg.norm(WEIGHTS))[ok]
    assert np.median(found) < 1.6 * np.median(best) + 0.02
    assert _beaten(moved)[ok].mean() > 0.9


def test_a_black_box_has_no_gradient():
    with pytest.raises(InternalError):
        Target(ask=_scores).gradient(ROWS, LABELS)


def test_a_cascade_counts_each_row_once_and_knows_open_gradients():
    found = stressed(_scores, ROWS, LABELS, SPACE, np.random.default_rng(0), slope=_slope)
    assert found.n_clean - int(found.right.sum()) == sum(found.fooled.values())
    assert found.hides_gradients is False


def test_flat_gradients_are_called_hidden():
    def flat(rows, labels):
        return _scores(rows), np.zeros_like(rows)

    found = stressed(
        _scores, ROWS, LABELS, SPACE, np.random.default_rng(0), slope=flat, straight=_slope
    )
    assert found.hides_gradients is True
    assert found.fooled["straight-pgd"] > 0


def test_no_rows_are_no_trouble():
    found = stressed(
        _scores, ROWS[:0], LABELS[:0], SPACE, np.random.default_rng(0), budget=Budget(n_queries=3)
    )
    assert found.n_clean == 0


# The schema ----------------------------------------------------------------------------

NAMES = ("amount", "age", "a", "b", "c", "flag")


def _table(n=200):
    rng = np.random.default_rng(1)
    hot = np.eye(3)[rng.integers(0, 3, n)]
    columns = (rng.normal(50, 9, n), rng.integers(18, 70, n), hot, rng.integers(0, 2, n))
    return np.column_stack(columns).astype(float)


def test_a_schema_is_learnt_from_rows():
    learnt = schema.learn(NAMES, _table())
    assert learnt.movable == ("amount", "age")
    assert learnt.one_hot == (("a", "b", "c"),)
    assert {one.name for one in learnt.features if one.is_whole} == {"age", "a", "b", "c", "flag"}


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_repaired_keeps_the_schema(seed):
    rows = _table()
    known = schema.corrected(
        schema.learn(NAMES, rows),
        {"features": {"age": {"direction": 1}, "flag": {"is_fixed": False}}},
    )
    moved = rows + np.random.default_rng(seed).normal(0, 20, rows.shape)
    assert not known.keeps(moved, rows).any()
    assert known.keeps(known.repaired(moved, rows), rows).all()


def test_relations_hold_after_a_repair():
    rows = np.array([[1.0, 2.0], [3.0, 3.5]])
    known = schema.corrected(schema.learn(("less", "more"), rows), {"at_most": [["less", "more"]]})
    moved = np.array([[3.4, 1.0], [2.0, 3.4]])
    assert known.keeps(known.repaired(moved, rows), rows).all()


def test_a_schema_survives_json():
    learnt = schema.learn(NAMES, _table())
    assert schema.corrected(learnt, learnt.to_json()) == learnt


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"other": 1},
        {"features": {"nobody": {}}},
        {"features": {"age": {"colour": 1}}},
        {"features": {"age": {"is_fixed": 1}}},
        {"features": {"age": {"low": "x"}}},
        {"one_hot": [["nobody"]]},
        {"at_most": [["age"]]},
    ],
)
def test_a_wrong_correction_is_refused(wrong):
    with pytest.raises(UsageError, match="schema of the features"):
        schema.corrected(schema.learn(NAMES, _table()), wrong)


L2 = Space(ball=Ball(eps=0.1, low=0.0, high=1.0), norm="l2")


def _possible_l2():
    return np.abs((ROWS - 0.5) @ WEIGHTS) <= 0.1 * np.linalg.norm(WEIGHTS)


@pytest.mark.parametrize("name", ["square", "hopskipjump"])
def test_black_boxes_are_beaten_in_l2_and_rows_stay_in_the_ball(name):
    target = Target(ask=lambda rows: np.eye(2)[_scores(rows).argmax(axis=1)])
    rng = np.random.default_rng(0)
    if name == "square":
        moved = evasion.square(
            Target(ask=_scores), ROWS, LABELS, L2, rng, shape=(1, 2, 2), n_queries=300
        )
    else:
        moved = evasion.decided(target, ROWS, LABELS, L2, rng, pool=ROWS, n_steps=10)
    assert np.linalg.norm(moved - ROWS, axis=1).max() <= 0.1 + 1e-9
    assert (_beaten(moved) <= _possible_l2()).all()
    assert _beaten(moved).sum() >= 0.7 * _possible_l2().sum()


def test_what_has_no_scale_keeps_its_place_under_decisions():
    scale = np.array([1.0, 1.0, 1.0, 0.0])
    space = Space(ball=Ball(eps=0.3, scale=scale, low=0.0, high=1.0))
    target = Target(ask=_scores)
    moved = evasion.decided(target, ROWS, LABELS, space, np.random.default_rng(0), pool=ROWS)
    assert (moved[:, 3] == ROWS[:, 3]).all()
    assert (moved[:, :3] != ROWS[:, :3]).any()


def test_a_cascade_asks_classes_alone_where_it_may():
    found = stressed(
        _scores, ROWS, LABELS, SPACE, np.random.default_rng(0), budget=Budget(n_decisions=4)
    )
    assert found.attacks[-1] == "hopskipjump"
    assert found.tally["hopskipjump"].forward > 0
