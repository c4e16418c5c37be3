"""One self-contained page: no script, no request, no style but its own.

The Content-Security-Policy of the page allows its own style sheet by digest and nothing
else, so that even a string that got past the escaping could neither load nor run anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from hauberk.report.markup import Markup, Node, element, join


def document(title: str, *body: Node) -> str:
    """A whole HTML page around ``body``."""
    style = stylesheet()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(style)),
    )
    page = element("html", element("head", join(head)), element("body", *body), lang="en")
    return f"<!doctype html>\n{page}\n"


@cache
def stylesheet() -> str:
    """The style sheet of every page, as shipped in the package."""
    return files("hauberk.report").joinpath("page.css").read_text(encoding="utf-8")
