"""What the monitor hands to other programs: lines of a file, CSV, SARIF; inert in each.

Everything that came with a request may have been chosen to act on whoever looks at it. A line
is JSON of ASCII alone, in which no character stands that a shell, a template, a page or a
query language begins with; a reader of JSON gets the text back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from hauberk.core.finding import Evidence, Finding, Level
from hauberk.methods.alerting import Alert
from hauberk.methods.redaction import by_schema
from hauberk.methods.sinks import Sink, encode_for_sink
from hauberk.monitor.store import Decided

if TYPE_CHECKING:
    from hauberk.report import ScanResult

ALERT_FIELDS = frozenset(item.name for item in fields(Alert))
MAX_FIELD = 4000
"""Characters of one field; of a longer one the number of those left out is said."""

_SPELLED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&$%'`|;=@#"}
"""None of these has a meaning in JSON outside of texts."""


def line(value: Mapping[str, Any]) -> str:
    r"""One line of JSON that only shows itself.

    >>> line({"rule": "${jndi:ldap://x}\n<b>"})
    '{"rule": "\\u0024{jndi:ldap://x}\\n\\u003cb\\u003e"}'
    """
    text = json.dumps(_bounded(value), ensure_ascii=True).replace("\x7f", "\\u007f")
    return text.replace("{{", "\\u007b{").translate(_SPELLED)


def alert_line(alert: Alert) -> str:
    """An alert as a line of a file."""
    return line(by_schema({**asdict(alert), "severity": alert.severity.value}, ALERT_FIELDS))


def redacted_alert(alert: Alert) -> Alert:
    """The alert as it may be kept: no credential, nothing that names a person."""
    value = by_schema(asdict(alert), ALERT_FIELDS)
    return replace(alert, **{name: value[name] for name in ("title", "facts")})


def csv_of(found: Iterable[Decided]) -> str:
    """Decisions as CSV; no field is a formula, whatever stands in it."""
    names = [item.name for item in fields(Decided)]
    rows = [",".join(names)]
    rows += [",".join(_cell(getattr(item, name)) for name in names) for item in found]
    return "\r\n".join(rows) + "\r\n"


def terminal_line(text: str) -> str:
    """One line of a terminal."""
    return encode_for_sink(text[:MAX_FIELD], Sink.TERMINAL).replace("\n", " ")


def findings_of(alerts: Iterable[Alert]) -> Iterable[Finding]:
    """Alerts as findings, for SARIF and the other forms of a scan."""
    for alert in alerts:
        yield Finding(
            message=_unlinked(terminal_line(alert.title)),
            path=terminal_line(alert.asset or "monitor"),
            severity=alert.severity,
            level=Level.REVIEW,
            remedy="look at the monitor's page for the evidence",
            control="log/drowned-alerts",
            evidence=Evidence(
                statistic=terminal_line(alert.kind),
                facts={terminal_line(k): terminal_line(v) for k, v in alert.facts.items()},
            ),
        )


def _unlinked(text: str) -> str:
    """Without the links that SARIF 2.1.0, section 3.11.6, finds in a message."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def sarif_of(alerts: Sequence[Alert]) -> str:
    """Alerts as SARIF 2.1.0."""
    from hauberk import report

    return report.scan_sarif(_result(alerts))


def _result(alerts: Sequence[Alert]) -> ScanResult:
    from hauberk.report import ScanResult

    return ScanResult(findings=tuple(findings_of(alerts)), assessments=(), summary={})


def _cell(value: object) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    return encode_for_sink(str(value)[:MAX_FIELD], Sink.CSV)


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        left = len(value) - MAX_FIELD
        return value if left <= 0 else f"{value[:MAX_FIELD]} ({left} more characters)"
    if isinstance(value, Mapping):
        return {str(_bounded(str(key))): _bounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bounded(item) for item in value]
    return value
