"""One self-contained page: no request, no style but its own, no script but one it names.

The Content-Security-Policy of the page allows its own style sheet by digest and nothing
else, so that even a string that got past the escaping could neither load nor run anything.
A page that a server gives may have one script, allowed by its digest, and forms to itself.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from hauberk.report.markup import Markup, Node, element, join


def document(title: str, *body: Node, script: str = "", served: bool = False) -> str:
    """A whole HTML page around ``body``.

    Args:
        title: Of the window.
        body: What is shown.
        script: A constant of ours; never made from data.
        served: Whether a server gives the page, so that forms and the script may ask it.
    """
    style = stylesheet()
    policy = policy_of(script=script, served=served)
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
        element("script", Markup(script)) if script else None,
    )
    page = element("html", element("head", join(head)), element("body", *body), lang="en")
    return f"<!doctype html>\n{page}\n"


def policy_of(*, script: str = "", served: bool = False) -> str:
    """The Content-Security-Policy of a page."""
    rules = ["default-src 'none'", f"style-src 'sha256-{_digest(stylesheet())}'", "base-uri 'none'"]
    if script:
        rules.append(f"script-src 'sha256-{_digest(script)}'")
    if served:
        rules.append("connect-src 'self'")
    return "; ".join([*rules, "form-action 'self'" if served else "form-action 'none'"])


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def stylesheet() -> str:
    """The style sheet of every page, as shipped in the package."""
    return files("hauberk.report").joinpath("page.css").read_text(encoding="utf-8")
