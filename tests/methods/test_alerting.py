"""Few alerts out of many."""

from __future__ import annotations

from hauberk.core.finding import Severity
from hauberk.methods.alerting import FLOOD, FLOOD_KIND, MAX_SHOWN, QUIET_S, Alert, Board, Silence


def _alert(at, *, kind="drift", cause="", who="", severity=Severity.LOW, asset="m"):
    return Alert(
        kind=kind,
        cause=cause or kind,
        title="t",
        severity=severity,
        at=at,
        principal=who,
        asset=asset,
    )


def test_alerts_of_one_cause_are_shown_once_and_counted_with_their_principals():
    board = Board()
    first = list(board.offer(_alert(0.0, who="a")))
    later = [x for i in range(1, 8) for x in board.offer(_alert(float(i), who=f"p{i}"))]
    tenth = [x for i in range(8, 10) for x in board.offer(_alert(i * 200.0, who=f"p{i}"))]
    assert (len(first), later) == (1, [])
    assert [(x.facts["alerts"], x.facts["principals"]) for x in tenth] == [("10", "10")]


def test_a_group_is_shown_again_after_it_was_quiet():
    board = Board()
    list(board.offer(_alert(0.0)))
    assert list(board.offer(_alert(QUIET_S + 1.0)))


def test_a_rare_kind_is_shown_at_once_in_a_flood_of_others():
    board, shown = Board(), []
    for i in range(3000):
        shown += board.offer(_alert(i * 0.3, kind=f"loud{i % 6}", cause=f"c{i}"))
    rare = list(board.offer(_alert(900.0, kind="rare", severity=Severity.HIGH)))
    assert [x.kind for x in rare] == ["rare"]
    assert len(shown) + 1 <= MAX_SHOWN


def test_a_flood_is_an_alert_itself_once_an_hour():
    board = Board()
    shown = [x for i in range(2 * FLOOD) for x in board.offer(_alert(i * 0.1))]
    assert [x.kind for x in shown].count(FLOOD_KIND) == 1


def test_what_found_no_room_is_shown_once_there_is_some():
    board = Board()
    shown = [x for i in range(30) for x in board.offer(_alert(float(i), cause=f"c{i}"))]
    assert len(shown) < 30
    assert list(board.waiting(4000.0))


def test_severities_below_that_of_an_asset_are_counted_only():
    board = Board(severities={"toy": Severity.HIGH})
    assert not list(board.offer(_alert(0.0, asset="toy")))
    assert list(board.offer(_alert(1.0, kind="other", asset="toy", severity=Severity.CRITICAL)))


def test_a_silence_covers_causes_by_their_beginning_until_it_ends():
    silence = Silence(cause="drift/loans", owner="ana", reason="known", until=100.0)
    covered = [
        silence.covers(_alert(at, cause=c))
        for at, c in ((1.0, "drift/loans/age"), (100.0, "drift/loans/age"), (1.0, "drift/x"))
    ]
    assert covered == [True, False, False]
