"""Commands of shells, wherever they stand: scripts, images, workflows, manifests, notebooks.

A command line is read as text: quotes and continued lines are joined, nothing is expanded.
What it does wrong comes as the name of a kind; which rule that is depends on where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.methods.expressions import expression

MAX_COMMAND = 20_000
"""Letters of one command that are looked at."""

_PIPED = expression(
    r"\b(?:curl|wget|fetch)\s[^|;&\n]{1,400}\|\s*(?:sudo\s+(?:-\w+\s+)*)?(?:/(?:usr/)?bin/)?(?:env\s+)?"
    r"(?:ba|z|da|k)?(?:sh|python3?|perl|ruby|node)\b|"
    r"\b(?:ba|z)?sh\s+(?:-\w+\s+)?(?:<\(|-c\s+[\"']?\$\()\s*(?:curl|wget)\b|"
    r"\b(?:source|\.|eval)\s+(?:<\(|[\"']?[\$`]\(?)\s*(?:curl|wget)\b|"
    r"\bpython3?\s+-c\s+[\"']?\$\((?:curl|wget)\b|`(?:curl|wget)\b[^`]{0,200}`\s*\|\s*(?:ba)?sh"
)
_FETCHED_AND_RUN = expression(
    r"\b(?:curl|wget)\b[^\n;&|]{0,300}?(?:-o|-O|--output|>)\s*[\"']?(?P<name>[\w./~-]+\.(?:sh|py|bin|run))\b[\"']?"
    r"[\s\S]{0,200}?(?:(?:ba|z)?sh|chmod\s+\+x|chmod\s+755|python3?|\./)\s*[\"']?(?P=name)"
)
_TLS_OFF = expression(
    r"\bcurl\b[^|;&\n]{0,200}\s(?:-[a-zA-Z]*k[a-zA-Z]*\b|--insecure\b)|"
    r"\bwget\b[^|;&\n]{0,200}--no-check-certificate|http\.sslVerify[= ]+[\"']?false|"
    r"\bGIT_SSL_NO_VERIFY=(?:1|true)|\bnpm\b[^\n]{0,60}strict-ssl[= ]+false|--no-verify-ssl\b|"
    r"StrictHostKeyChecking[= ]+no\b|\bPYTHONHTTPSVERIFY=0|NODE_TLS_REJECT_UNAUTHORIZED=0|"
    r"--allow-unauthenticated\b|--force-yes\b|\bverify_ssl[ =]+false|--nogpgcheck|"
    r"--no-gpg-check|\bHELM_[A-Z_]*INSECURE|--insecure-skip-tls-verify|--tls-verify=false"
)
_CLEARTEXT = expression(
    r"\b(?:curl|wget)\b[^|;&\n]{0,200}?[\"'\s](?:http|ftp)://(?!localhost|127\.|0\.0\.0\.0|\[::1\]|"
    r"10\.|192\.168\.|169\.254\.|[\w-]+(?:[:/]|\s|$)|[\w.-]+\.(?:local|internal|svc)\b|\$|TEMPLATE)[\w.-]+"
)
_INDEX = expression(
    r"(?:\bpip3?\b|\buv\b|\bpipx\b)[^;&|\n]{0,300}?(?P<what>--extra-index-url[= ]+\S+|"
    r"--trusted-host[= ]+\S+|--allow-insecure-host[= ]+\S+|"
    r"--index-strategy[= ]+unsafe-\S+|"
    r"(?:--index-url|-i|--find-links|-f|--default-index)[= ]+[\"']?http://(?!localhost|127\.)\S+)"
)
_MOVING = expression(
    r"\b(?:pip3?|uv|uvx|pipx)\b[^;&|\n]{0,200}?\s[\"']?(?:[\w\[\]-]+\s*@\s*)?(?P<what>(?:git|hg|svn|bzr)\+\w+://[^\s\"']+)|"
    r"\b(?:npx|bunx|npm\s+exec|npm\s+(?:i|install|add)|yarn\s+(?:add|dlx)|pnpm\s+(?:add|dlx)|uvx|pipx\s+run)\b[^;&|\n]{0,120}?\s"
    r"(?P<latest>[\w@/.-]+@(?:latest|next|main|master))(?=[\s\"']|$)"
)
_UNPINNED = expression(
    r"\b(?:pip3?|uv\s+pip|pipx)\s+install\b(?![^;&|\n]{0,300}(?:--require-hashes|\s-[rec]\b|--requirement|--editable|\s\.))"
    r"[^;&|\n]{0,200}?\s(?P<what>(?!pip\b|setuptools\b|wheel\b|uv\b)[A-Za-z][\w.-]*(?:\[[\w,]+\])?(?:[<>~!]=[\w.,<>=!~]+)?)(?=[\s\"']|$)"
)
_COMMIT = expression(
    r"@[0-9a-f]{40}\b|@\$[{(]{0,2}\s?[\w.]*(?i:sha|commit)[\w.]*(?=\s?[)}]|[\s\"'#]|$)"
)
"""A full commit, or a variable that says that it holds one."""
_ARCHIVE = expression(
    r"\b(?:pip3?|uv|pipx)\b[^;&|\n]{0,60}\binstall\b[^;&|\n]{0,200}?\s[\"']?(?P<what>https?://[^\s\"']+\.(?:whl|zip|tar\.gz))(?!\S*#sha256=)"
)
_WRITABLE = expression(r"\bchmod\s+(?:-\w+\s+)*(?:0?777|a\+rwx|ugo\+rwx|o\+w|a\+w)\b")
_SECRET = r"(?:[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?![A-Z]*_(?:FILE|PATH|URL|NAME|ID)\b)[A-Z0-9_]*)"
_PRINTED = expression(
    rf"\b(?:echo|printf)\b(?![^\n|;&]{{0,200}}(?:>\s*[\"']?[\w$~/.]|--password-stdin|\|))[^\n|;&]{{0,200}}?\$\{{?(?P<what>{_SECRET})\b(?!:[-+?])|"
    r"\becho\b[^\n|;&]{0,120}\$\{\{\s*secrets\.\w+\s*\}\}(?![^\n]*(?:\||>))"
)
_DUMPED = expression(
    r"(?:^|[;&|]\s*|\n\s*)(?:printenv|env|export\s+-p|declare\s+-x|set)\s*(?:$|\n|\|\s*(?:sort|tee|curl|base64|grep|cat)|>|;|&&)"
)
_SENT = expression(
    r"\bcurl\b[^\n;&]{0,300}(?:-F|--form|-T|--upload-file|--data-binary|-d|--data)[ =]+[\"']?[\w=]*@?\S*?"
    r"(?P<what>[\w./*-]+\.(?:pt|pth|pkl|joblib|onnx|h5|safetensors|ckpt|parquet|csv|npz|npy|bin))\b"
)
_FILES = r"[\w./*-]{1,120}\.(?:pt|pth|pkl|joblib|onnx|h5|safetensors|ckpt|parquet|csv|npz|npy|gguf|sqlite|db)\b"
_CARRIED = expression(
    rf"\b(?:nc|ncat|netcat|socat)\b[^\n|;&<]{{0,120}}<\s*[\"']?(?P<what>{_FILES})|"
    rf"\b(?:cat|tar|gzip|base64|xxd)\b[^\n;&|]{{0,200}}{_FILES}[^\n;&]{{0,120}}\|\s*(?:nc|ncat|netcat)\s|"
    r"\b(?:tar|zip|pg_dump|mysqldump|mongodump)\b[^\n;&]{0,200}\|[^\n;&]{0,80}\bcurl\b[^\n;&|]{0,200}"
    r"(?:(?:-T|--upload-file)[ =]*[\"']?-(?=[\s\"']|$)|@-)|"
    rf"\bwget\b[^\n;&|]{{0,200}}--post-file[= ][\"']?{_FILES}|"
    rf"\b(?:scp|rsync)\b[^\n;&|]{{0,200}}\s[\"']?{_FILES}[\"']?\s+[^\n;&|]{{0,80}}?\b[\w.-]+@(?:(?:\d{{1,3}}\.){{3}}\d{{1,3}}|(?:[\w-]+\.)+[a-z]{{2,}}):"
)
_PUSHED = expression(
    r"\bgit\s+push\b[^\n;&|]{0,80}?\s[\"']?(?P<what>(?:https?|ssh|git)://[^\s\"'$@{]+\.[^\s\"'$@{]+)(?=[\s\"']|$)|"
    r"\bgit\s+remote\s+add\s+(?P<remote>(?!origin\b|upstream\b)[\w-]+)\s+(?:https?|ssh|git)://[^\s$]+[\s\S]{0,600}?\bgit\s+push\b[^\n;&|]{0,60}?\s(?P=remote)\b"
)
_GIVEN_AWAY = expression(
    rf"\bgh\s+gist\s+create\b[^\n;&|]{{0,200}}?(?P<what>{_FILES})|"
    rf"\brclone\s+(?:copy|copyto|sync|move|moveto)\s+[^\n;&|]{{0,80}}?(?:{_FILES}|(?<=[\s/.\"'])(?:models?|weights|checkpoints?|data|datasets?)\b/?)\S*\s+[\"']?[\w-]+:"
)
_HUB = expression(
    r"\b(?:huggingface-cli|hf|modelscope)\s+download\s+(?![^\n;&|]{0,300}--revision[= ]+[\"']?(?:[0-9a-f]{40}|\$))[^\n;&|]{0,200}?(?P<what>[\w.-]+/[\w.-]+)|"
    r"https://(?:huggingface\.co|hf\.co|hf-mirror\.com|(?:www\.)?modelscope\.cn)/(?:datasets/|spaces/)?[\w.-]+/[\w.-]+/(?:resolve|raw)/(?:main|master)/\S+|"
    r"\bgit\s+(?:lfs\s+)?clone\b[^\n;&|]{0,120}?\s[\"']?https://(?:huggingface\.co|hf\.co|(?:www\.)?modelscope\.cn)/[^\s\"';&|]+"
    r"(?![\s\S]{0,300}\bgit\b[^\n]{0,80}\b(?:checkout|reset|switch)\b[^\n]{0,60}\b[0-9a-f]{40}\b)"
)
_DESTRUCTIVE = expression(r"\bbase64\s+(?:-d|--decode|-D)\b[^\n;&]{0,80}\|\s*(?:ba|z)?sh\b")
_TRACED = expression(r"\bset\s+-[a-wyz]*x[a-z]*\b")
_HOOKS = expression(r"\bgit\s+config\b[^\n;&|]{0,60}\bcore\.hooksPath\s+(?P<what>[^\s;&|]+)")
_SOCKET = expression(
    r"/var/run/docker\.sock|\b(?:docker|podman|nerdctl)\s+(?:container\s+)?run\b[^\n;&|]{0,400}"
    r"(?:--privileged\b(?!=false)|(?:-v|--volume)[ =][\"']?/(?:etc|root|proc|sys)?/?:|--pid[ =]host\b|--cap-add[ =](?:ALL|SYS_ADMIN)\b)"
)

Kind = tuple[str, re.Pattern[str]]
_KINDS: tuple[Kind, ...] = (
    ("pipe", _PIPED),
    ("pipe", _FETCHED_AND_RUN),
    ("decoded", _DESTRUCTIVE),
    ("tls", _TLS_OFF),
    ("cleartext", _CLEARTEXT),
    ("index", _INDEX),
    ("moving", _MOVING),
    ("archive", _ARCHIVE),
    ("writable", _WRITABLE),
    ("printed", _PRINTED),
    ("sent", _SENT),
    ("sent", _CARRIED),
    ("sent", _PUSHED),
    ("sent", _GIVEN_AWAY),
    ("hub", _HUB),
    ("socket", _SOCKET),
    ("hooks", _HOOKS),
    ("unpinned", _UNPINNED),
)


def faults(text: str) -> Iterator[tuple[str, int, str]]:
    """Kinds of faults in commands, with the line from 0 and what stands there.

    >>> list(faults("curl -s https://x.example/i.sh | sh"))
    [('pipe', 0, 'curl -s https://x.example/i.sh | sh')]
    """
    joined = continued(text[:MAX_COMMAND])
    for kind, pattern in _KINDS:
        for match in pattern.finditer(joined):
            if _is_comment(joined, match.start()) or _is_pinned(kind, match):
                continue
            yield kind, text.count("\n", 0, match.start() + _lead(match[0])), shown(match)


def dumps_environment(text: str) -> int | None:
    """The line, from 0, on which all variables are printed; ``None`` where none is."""
    match = _DUMPED.search(text[:MAX_COMMAND])
    return None if match is None else text.count("\n", 0, match.start() + _lead(match[0]))


def traces(text: str) -> bool:
    """Whether a shell prints every command that it runs."""
    return _TRACED.search(text[:MAX_COMMAND]) is not None


def continued(text: str) -> str:
    r"""Lines that end in a backslash joined, without moving any letter to another line's count.

    >>> continued("a \\\nb")
    'a   b'
    """
    return re.sub(r"\\\r?\n", lambda match: " " * len(match[0]), text)


_LISTED = expression(r"([\"'])[ \t]*,\s*(?=[\"'])")
_VARIABLE = expression(
    r"^[ \t]*(?:export[ \t]+|ENV[ \t]+|ARG[ \t]+|readonly[ \t]+|local[ \t]+|declare[ \t]+(?:-\w+[ \t]+)?|set[ \t]+|-[ \t]+)?"
    r"(?P<name>[A-Za-z_]\w*)[ \t]*(?:\?|:)?=[ \t]*(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|]*)",
    re.MULTILINE,
)
_USED = expression(
    r"\$\{(?P<braced>\w+)(?::?[-=](?P<default>[^}\n]*))?\}|\$\((?P<made>\w+)\)|\$(?P<bare>[A-Za-z_]\w*)"
)


def unlisted(text: str) -> str:
    """Lists of quoted words as the words of one command; every letter keeps its place.

    >>> unlisted('["ray", "start"]')
    '["ray    start"]'
    """
    if '",' not in text and "'," not in text and '" ,' not in text:
        return text
    out, end = [], 0
    for match in _LISTED.finditer(text):
        if text[match.end() : match.end() + 1] != match[1]:
            continue
        out += [text[end : match.start()], " " * (match.end() + 1 - match.start())]
        end = match.end() + 1
    return "".join([*out, text[end:]])


def variables(text: str) -> dict[str, str]:
    """What a script, image or environment file gives its variables, the last word counting."""
    return {m["name"]: m["value"].strip("\"'") for m in _VARIABLE.finditer(text)}


def filled(command: str, known: dict[str, str]) -> str:
    """A command with the variables that are known, and the defaults of those that are not.

    >>> filled("run --host ${H:-0.0.0.0} $PORT", {"PORT": "80"})
    'run --host 0.0.0.0 80'
    """

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["made"] or match["bare"]
        default = match["default"]
        found = known.get(name, default if default is not None else match[0])
        return found if "$" not in found else match[0]

    return _USED.sub(value, command)


def shown(match: re.Match[str]) -> str:
    """What matched, without values that may be secret."""
    named = match.groupdict()
    text = (named.get("what") or named.get("latest") or match[0]).strip()
    return re.sub(r"://[^/@\s]+@", "://...@", " ".join(text.split()))[:100]


def _lead(text: str) -> int:
    return len(text) - len(text.lstrip())


def _is_comment(text: str, place: int) -> bool:
    start = text.rfind("\n", 0, place) + 1
    return text[start:place].lstrip().startswith(("#", "//", "REM "))


def _is_pinned(kind: str, match: re.Match[str]) -> bool:
    what = match["what"] if kind == "moving" else None
    return what is not None and _COMMIT.search(what) is not None
