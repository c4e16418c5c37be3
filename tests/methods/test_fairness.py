import numpy as np

from hauberk.methods.fairness import TOGETHER, Verdict, differences


def _people(seed: int, n: int, rates: dict[str, float]):
    """Truth, predictions and a group; each group is given class 1 at its own rate."""
    rng = np.random.default_rng(seed)
    names = list(rates)
    group = rng.choice(names, n)
    given = rng.random(n) < np.array([rates[name] for name in group])
    truth = rng.random(n) < 0.4
    return [str(int(x)) for x in truth], [str(int(x)) for x in given], group.tolist()


def _verdicts(seed: int, n: int, rates: dict[str, float], **options):
    truth, given, group = _people(seed, n, rates)
    return differences(truth, given, {"g": group}, **options)


def test_a_large_difference_of_many_rows_is_a_proven_violation():
    found = _verdicts(1, 4000, {"a": 0.2, "b": 0.6})
    assert {item.verdict for item in found} == {Verdict.VIOLATION}
    assert {item.n_more for item in found} == {0}


def test_equal_rates_of_many_rows_are_proven_fair():
    found = _verdicts(1, 40_000, {"a": 0.4, "b": 0.4})
    assert {item.verdict for item in found} == {Verdict.FAIR}


def test_few_rows_prove_nothing_and_say_how_many_are_missing():
    found = _verdicts(1, 60, {"a": 0.4, "b": 0.4})
    assert {item.verdict for item in found} == {Verdict.UNDECIDED}
    assert min(item.n_more for item in found) > 10


def test_as_many_rows_as_were_asked_for_settle_it():
    few = next(x for x in _verdicts(3, 60, {"a": 0.3, "b": 0.5}) if x.rate == "selection")
    assert few.verdict is Verdict.UNDECIDED
    rows = 60 * 4 * (few.n_group + few.n_more) // few.n_group
    more = next(x for x in _verdicts(4, rows, {"a": 0.3, "b": 0.5}) if x.group == few.group)
    assert more.verdict is Verdict.VIOLATION


def test_fair_models_are_hardly_ever_accused_whatever_the_number_of_groups():
    rates = {f"group {place}": 0.4 for place in range(12)}
    accused = sum(
        any(
            item.verdict is Verdict.VIOLATION
            for item in _verdicts(seed, 800, rates, tolerance=0.001)
        )
        for seed in range(150)
    )
    assert accused <= 0.05 * 150


def test_columns_are_looked_at_together_as_well():
    truth, given, group = _people(1, 500, {"a": 0.4, "b": 0.4})
    other = ["x" if place % 2 else "y" for place in range(500)]
    found = differences(truth, given, {"g": group, "h": other})
    assert {item.column for item in found} == {"g", "h", f"g{TOGETHER}h"}


def test_a_column_of_names_is_no_group_of_people():
    truth, given, _ = _people(1, 500, {"a": 0.4})
    assert differences(truth, given, {"id": [str(i) for i in range(500)]}) == ()


def test_three_classes_are_judged_one_by_one():
    truth = ["x", "y", "z"] * 100
    found = differences(truth, truth, {"g": ["a", "b"] * 150})
    assert {item.given for item in found} == {"x", "y", "z"}
