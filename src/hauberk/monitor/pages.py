"""The monitor's pages: functions from what the store holds to HTML; nothing is asked elsewhere.

They work without the script, which only fetches the page again so that it stays fresh, and waits
while somebody is at a link or a field of it, whose place would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from hauberk.core.finding import Severity
from hauberk.methods.alerting import Alert, Silence
from hauberk.monitor.hours import DAY_H, HOUR_S
from hauberk.monitor.store import Decided, Shown, Sum
from hauberk.report.document import document, policy_of
from hauberk.report.evidence import pairs, scrolling
from hauberk.report.markup import Markup, Node, element, join
from hauberk.report.wording import moment, number, percent, plural

REFRESH: Final = (
    "setInterval(async()=>{if(document.hidden||document.querySelector('main :focus'))return;"
    "try{const r=await fetch(location.href);if(!r.ok)return;"
    "const d=new DOMParser().parseFromString(await r.text(),'text/html');"
    "document.querySelector('main').replaceWith(d.querySelector('main'))}catch{}},15000)"
)
POLICY: Final = policy_of(script=REFRESH, served=True)

_WORDS = {"good": "nothing wrong", "caution": "look at it", "bad": "act now", "idle": "no traffic"}
_SIGNS = {"good": "✓", "caution": "!", "bad": "✕", "idle": "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """One line of the first page.

    Attributes:
        tone: ``good``, ``caution``, ``bad`` or ``idle``.
    """

    name: str
    tone: str
    day: Sum | None
    drifted: int
    n_columns: int
    alerts: int


def tone_of(alerts: Sequence[Alert], day: Sum | None) -> str:
    """The state of a model by its alerts of the last day."""
    worst = max((alert.severity.rank for alert in alerts), default=-1)
    if worst >= Severity.HIGH.rank:
        return "bad"
    if worst >= Severity.MEDIUM.rank:
        return "caution"
    return "good" if day is not None else "idle"


def overview(
    models: Sequence[Overview],
    alerts: Sequence[Shown],
    *,
    troubles: Mapping[str, str],
    replicas: Sequence[tuple[str, str]],
    logs: Sequence[tuple[str, str]],
    now: float,
) -> str:
    """The first page: every model with its state, then what was shown last."""
    worst = [item for item in models if item.tone == "bad"]
    caution = [item for item in models if item.tone == "caution"]
    tone = "bad" if worst or troubles else ("caution" if caution else "good")
    named = ", ".join(item.name for item in worst or caution)
    head = {
        "bad": f"Act now: {named or 'the monitor itself'}",
        "caution": f"Look at {named}",
        "good": f"{plural(len(models), 'model')} watched, nothing wrong",
    }[tone]
    return _page(
        "Monitor",
        element(
            "section",
            element("h1", head),
            element("p", f"As of {moment(now)}.", class_="quiet"),
            _troubles(troubles),
            class_=f"verdict {tone}",
        ),
        element("section", element("h2", "Models"), _models(models), id="models"),
        element("section", element("h2", "Alerts of the last day"), _alerts(alerts), id="alerts"),
        element("section", element("h2", "Logs"), _rows(logs, "No log is watched."), id="logs"),
        element(
            "section",
            element("h2", "Replicas"),
            _rows(replicas, "No replica reports by itself."),
            id="replicas",
        ),
    )


def alerts_page(alerts: Sequence[Shown], silences: Sequence[tuple[int, Silence]]) -> str:
    """Everything that was shown, and what is silenced, by whom, until when."""
    rows = [
        (f"{number} {item.cause}", f"{item.owner}, until {moment(item.until)}: {item.reason}")
        for number, item in silences
    ]
    return _page(
        "Alerts",
        element("section", element("h1", "Alerts"), _alerts(alerts), id="alerts"),
        element("section", element("h2", "Silences"), _rows(rows, "None."), id="silences"),
    )


def audit_page(
    found: Sequence[Decided], asked: Mapping[str, str], *, total_shown: int, problem: str = ""
) -> str:
    """Decisions by principal, model, time and action; payloads are not there to be shown."""
    fields = [
        _field("principal", "Principal", asked),
        _field("model", "Model", asked),
        _field("action", "Action", asked),
        _field("since", "From (UTC)", asked),
        _field("until", "To (UTC)", asked),
        element("button", "Search", type="submit"),
    ]
    head = ("Time", "Principal", "Model", "Action", "Rule", "Status", "Rows", "Record")
    body = [
        [
            moment(item.at),
            element("code", item.principal),
            element("code", item.model[:19]),
            item.action,
            item.rule,
            str(item.status),
            str(item.rows),
            f"{item.log} {item.number}",
        ]
        for item in found
    ]
    more = f"The newest {total_shown} that fit." if len(found) >= total_shown else ""
    return _page(
        "Audit",
        element(
            "section",
            element("h1", "Decisions"),
            element("form", fields, method="get", action="/audit", class_="search"),
            element("p", problem, class_="why") if problem else None,
            _grid(head, body) if body else element("p", "No decision fits."),
            element("p", more, class_="quiet") if more else None,
            element("p", element("a", "The same as CSV", href=f"/audit.csv?{_asked(asked)}")),
        ),
    )


def missing_page(what: str) -> str:
    """There is nothing there."""
    return _page("Not here", element("section", element("h1", f"{what} is not here")))


def page(title: str, *body: Node) -> str:
    """Any page of the monitor."""
    return _page(title, *body)


def _page(title: str, *body: Node) -> str:
    links = (("/", "Overview"), ("/alerts", "Alerts"), ("/audit", "Audit"))
    menu = [element("li", element("a", name, href=href)) for href, name in links]
    return document(
        f"{title} - Hauberk monitor",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", element("p", "Hauberk monitor", class_="brand")),
        element("nav", element("ul", menu), aria_label="Pages"),
        element("main", *body, id="content"),
        element("footer", element("p", "Times are UTC.")),
        script=REFRESH,
        served=True,
    )


def _field(name: str, label: str, asked: Mapping[str, str]) -> Markup:
    box = element("input", name=name, value=asked.get(name, ""), id=name, maxlength=80)
    return element("p", element("label", label, for_=name), box)


def _asked(asked: Mapping[str, str]) -> str:
    names = ("principal", "model", "action", "since", "until")
    return urlencode({name: asked[name] for name in names if asked.get(name)})


def _troubles(troubles: Mapping[str, str]) -> Markup | None:
    if not troubles:
        return None
    rows = [element("li", element("b", name), f": {text}") for name, text in troubles.items()]
    return element("ul", rows, class_="plain")


def _models(models: Sequence[Overview]) -> Markup:
    if not models:
        return element("p", "No model is watched.")
    head = ("Model", "State", "Requests", "Rows", "Refused", "p95", "Drifted", "Alerts")
    return _grid(head, [_model(item) for item in models])


def _model(item: Overview) -> list[Node]:
    day = item.day
    return [
        element("a", item.name, href=f"/models/{item.name}"),
        state(item.tone),
        number(day.requests) if day else "0",
        number(day.rows) if day else "0",
        number(day.refused) if day else "0",
        milliseconds(day.latency) if day else "",
        f"{item.drifted} of {item.n_columns}",
        str(item.alerts),
    ]


def state(tone: str) -> Markup:
    """A state in a sign and in words."""
    names = {"good": "done", "caution": "failed", "bad": "refused", "idle": "skipped"}
    return element("span", f"{_SIGNS[tone]} {_WORDS[tone]}", class_=f"state {names[tone]}")


def milliseconds(seconds: float | None) -> str:
    """A latency in words."""
    if seconds is None:
        return "not measured"
    return "over 10 s" if seconds == float("inf") else f"{number(seconds * 1000)} ms"


def alerts_list(alerts: Sequence[Shown]) -> Markup:
    """Alerts with their evidence, newest first."""
    return _alerts(alerts)


def _alerts(alerts: Sequence[Shown]) -> Markup:
    if not alerts:
        return element("p", "None.")
    return join(_alert(item.alert) for item in alerts)


def _alert(alert: Alert) -> Markup:
    word = alert.severity.value
    facts = [item for item in alert.facts.items() if item != ("alerts", "1")]
    return element(
        "div",
        element(
            "p",
            element("span", word, class_=f"badge {word}"),
            " ",
            element("code", alert.asset) if alert.asset else None,
            f" {moment(alert.at)}",
            class_="finding-head",
        ),
        element("p", alert.title, class_="message"),
        pairs(facts) if facts else None,
        element("p", "Cause: ", element("code", alert.cause), class_="quiet"),
        class_=f"finding {word}",
    )


def _rows(rows: Sequence[tuple[str, str]], nothing: str) -> Markup:
    return pairs(rows) if rows else element("p", nothing)


def grid(head: Iterable[str], rows: Iterable[Iterable[Node]]) -> Markup:
    """A table that scrolls by itself on a narrow screen."""
    return _grid(head, rows)


def _grid(head: Iterable[str], rows: Iterable[Iterable[Node]]) -> Markup:
    names = list(head)
    top = element("tr", [element("th", name, scope="col") for name in names])
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    table = element("table", element("thead", top), element("tbody", body))
    return scrolling(table, names[0])


def share(value: float | None) -> str:
    """A share in words."""
    return percent(value)


def hour_of(at: float) -> int:
    """The hour that a moment lies in."""
    return int(at // HOUR_S)


def first_of_day(hour: int) -> int:
    """The first hour of the day of ``hour``."""
    return hour // DAY_H * DAY_H
