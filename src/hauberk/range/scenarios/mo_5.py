"""MO-5: 150 payloads in the fields of a log, looked at in five viewers."""

from __future__ import annotations

import re
from functools import lru_cache

from hauberk.attacks.log.inject_lines import InjectLines, payloads
from hauberk.controls.log.injected_records import InjectedRecords
from hauberk.core.finding import Severity
from hauberk.core.threat import ThreatId
from hauberk.methods.alerting import Alert
from hauberk.monitor import pages, viewers
from hauberk.monitor.store import Decided, Shown
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.log_viewers import (
    csv_acts,
    file_acts,
    pages_that_act,
    sarif_acts,
    terminal_acts,
)

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>|<script>.*?</script>')


def _alert(payload: str) -> Alert:
    return Alert(
        kind=payload,
        cause=payload,
        title=payload,
        severity=Severity.HIGH,
        at=1_700_000_000.0,
        principal=payload,
        asset=payload,
        facts={payload: payload},
    )


@lru_cache(maxsize=1)
def _ran() -> tuple[frozenset[int], frozenset[int]]:
    """Payloads that run in a page made by hand, and in ours without its policy."""
    careless = [f"<p>{payload[:500]}</p>" for payload in payloads() if "<" in payload]
    shown = [Shown(number=i, alert=_alert(p)) for i, p in enumerate(payloads())]
    ours = pages.alerts_page(shown, ())
    by_hand = pages_that_act([f"<html><body>{''.join(careless)}</body></html>"])
    return by_hand, pages_that_act([_POLICY.sub("", ours)])


def _acts(number: int, payload: str) -> bool:
    """Whether it acts in any viewer of what the monitor gives."""
    alert = _alert(payload)
    decided = Decided(
        number=1,
        log="front",
        at=1.0,
        model=payload,
        principal=payload,
        action=payload,
        rule=payload,
        status=400,
        rows=1,
    )
    return (
        file_acts(viewers.alert_line(alert) + "\n", 1)
        or number in _ran()[1]
        or csv_acts(viewers.csv_of([decided]), 2)
        or terminal_acts(viewers.terminal_line(payload))
        or sarif_acts(viewers.sarif_of([alert]), 1)
    )


def _acts_by_hand(number: int, payload: str) -> bool:
    """The same in viewers that take the text as it is."""
    plain = f'{{"version":"2.1.0","runs":[{{"results":[{{"message":{{"text":"{payload}"}}}}]}}]}}'
    return (
        file_acts(f"1 refused {payload}\n", 1)
        or number in _ran()[0]
        or csv_acts(f"at,rule\r\n1,{payload}\r\n", 2)
        or terminal_acts(payload)
        or sarif_acts(plain, 1)
    )


def _payload(seed: int) -> Trial:
    number = seed % len(payloads())
    payload = payloads()[number]
    return Trial(
        values={"payloads_active": _acts(number, payload)}, potent=_acts_by_hand(number, payload)
    )


SCENARIOS = (
    Scenario(
        threat=ThreatId("MO-5"),
        attack=InjectLines(),
        control=InjectedRecords(),
        play=_payload,
        parts=(("payloads_active", "five viewers"),),
        trials=150,
        note="each payload in every field of an alert and of a decision, as the monitor's file of "
        "alerts, page (in Chromium, without its policy), CSV, terminal and SARIF show it",
    ),
)
