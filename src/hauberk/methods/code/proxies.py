"""Proxies that hand a service without a login of its own to everybody: nginx, Caddy, Apache.

MLflow, Ray, TensorBoard and the management of TorchServe ask nobody who he is by default; a proxy
before them is where that is asked, and a proxy that does not ask only makes them reachable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.core.artifact import SourceFile
from hauberk.methods.code.rules import Hit, rule
from hauberk.methods.expressions import expression

PROXIED = rule(
    "exposed-services/proxied-without-login",
    "high",
    "hands a service that asks nobody for a login to whoever reaches the proxy",
    "Ask for a login or a client certificate there (auth_basic, auth_request, forward_auth).",
    "CWE-306",
)

_PASSES = expression(
    r"(?im)^[^\n#]*\b(?:proxy_pass|reverse_proxy|ProxyPass(?:Match)?)\b[^\n;{]{0,200}"
)
_SERVICES = expression(
    r"(?i)\b(?:mlflow|ray|tensorboard|torchserve|dask|spark|prefect|flower|kubeflow|ollama|triton)\b|"
    r":(?:8265|6006|8787|5555|4040|8081|11434)\b"
)
_ASKS = expression(
    r"(?im)^[^\n#]*\b(?:auth_basic\b(?!\s+off)|auth_request\b|auth_jwt|basic_?auth\b|forward_auth|oauth2?|oidc|AuthType|"
    r"Require\s+(?:valid-user|ip|host|ldap|group)|ssl_verify_client\s+on|client_auth|authelia|authentik|deny\s+all)"
)
_LOCAL = expression(r"(?im)^\s*(?:listen|bind)\s+(?:127\.0\.0\.1|localhost|unix:|\[::1\])")
_NAMED = expression(r"(?i)nginx|caddyfile|httpd|apache|proxy|sites-(?:available|enabled)|vhost")


def proxy_hits(file: SourceFile) -> Iterator[Hit]:
    """Hits of one file of settings of a proxy."""
    path = file.path
    is_settings = path.suffix in {".conf", ".template", ".tmpl", ".caddy", ""}
    if not is_settings or not _NAMED.search(path.as_posix()):
        return
    text = file.text
    if _ASKS.search(text) or (_LOCAL.search(text) and not re.search(r"(?m)^\s*listen\s+\d", text)):
        return
    for match in _PASSES.finditer(text):
        block = text[text.rfind("\n", 0, max(match.start() - 1, 0)) + 1 : match.end()]
        if _SERVICES.search(block):
            yield Hit(
                PROXIED, text.count("\n", 0, match.end()) + 1, " ".join(match[0].split())[:60]
            )
