"""What other programs are given is inert in them."""

from __future__ import annotations

import json

import pytest

from hauberk.attacks.log.inject_lines import payloads
from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert
from hauberk.monitor import viewers
from hauberk.monitor.store import Decided
from hauberk.range.worlds.log_viewers import csv_acts, file_acts, sarif_acts, terminal_acts


def _alert(text):
    return Alert(
        kind=text, cause=text, title=text, severity=Severity.HIGH, at=1.0, facts={text: text}
    )


@pytest.mark.parametrize("number", range(0, 150, 3))
def test_no_payload_acts_in_a_file_a_sheet_a_terminal_or_sarif(number):
    payload = payloads()[number]
    decided = Decided(
        number=1,
        log="l",
        at=1.0,
        model=payload,
        principal=payload,
        action="block",
        rule=payload,
        status=400,
        rows=1,
    )
    assert not file_acts(viewers.alert_line(_alert(payload)) + "\n", 1)
    assert not csv_acts(viewers.csv_of([decided]), 2)
    assert not terminal_acts(viewers.terminal_line(payload))
    assert not sarif_acts(viewers.sarif_of([_alert(payload)]), 1)


def test_a_line_is_read_back_as_it_was():
    value = {"rule": "a{{b}}${c}\n<d>\x7f\u202e", "n": 1, "deep": [{"x": "=1"}]}
    assert json.loads(viewers.line(value)) == value
