"""Container files: what an image is built from, and what it leaves open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from hauberk.methods.code.commands import continued, dumps_environment, faults, filled
from hauberk.methods.code.python_loading import MOVING as HUB
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.code.services import command_faults, setting_fault
from hauberk.methods.expressions import expression

BASE = rule(
    "unsafe-images/unpinned-base",
    "medium",
    "builds on an image that its name does not fix",
    "Name the digest: image:tag@sha256:...",
    "CWE-494",
)
OLD = rule(
    "unsafe-images/old-base",
    "medium",
    "builds on an image that no longer gets security updates",
    "Move to a release that is maintained.",
    "CWE-1104",
)
ROOT = rule(
    "unsafe-images/root",
    "medium",
    "starts as root",
    "Add a USER without privileges before the last command.",
    "CWE-250",
)
ADD = rule(
    "unsafe-images/add-url",
    "high",
    "puts a file from a URL into the image without a digest",
    "Say ADD --checksum=sha256:..., or copy a file that you keep.",
    "CWE-494",
)
BAKED = rule(
    "unsafe-images/secret-in-layer",
    "high",
    "leaves a secret in a layer of the image",
    "Use RUN --mount=type=secret, and hand secrets in when the container starts.",
    "CWE-538",
)
COPIED = rule(
    "unsafe-images/copies-secrets",
    "high",
    "copies a file of credentials into the image",
    "Leave it out (.dockerignore), and mount it when the container starts.",
    "CWE-538",
)
PIPED = rule(
    "unsafe-images/pipe-to-shell",
    "high",
    "runs what it downloads, unseen and unchecked",
    "Download, compare a digest, then run.",
    "CWE-494",
)
UNCHECKED = rule(
    "unsafe-images/unchecked-download",
    "high",
    "downloads while checks of certificates or signatures are off",
    "Keep the checks on.",
    "CWE-295",
)
CLEARTEXT = rule(
    "unsafe-images/cleartext",
    "medium",
    "downloads without TLS",
    "Use https and compare a digest.",
    "CWE-319",
)
WRITABLE = rule(
    "unsafe-images/world-writable",
    "medium",
    "lets everybody in the image change files",
    "Give the files to the user that needs them.",
    "CWE-732",
)
REMOTE = rule(
    "unsafe-images/remote-login",
    "medium",
    "opens a door for remote logins in the image",
    "Use the orchestrator's exec instead.",
    "CWE-1327",
)
SUDO = rule(
    "unsafe-images/sudo",
    "medium",
    "lets the user of the image become root without a password",
    "Do what needs root while building.",
    "CWE-250",
)
SOCKET = rule(
    "unsafe-images/host-control",
    "high",
    "hands control of the host to a container",
    "Leave the socket and the privileges away.",
    "CWE-250",
)
INDEX = rule(
    "dependency-policy/second-index",
    "high",
    "installs packages from a second or unchecked index",
    "Use one index that you control, with hashes.",
    "CWE-427",
)
MOVING = rule(
    "dependency-policy/moving-reference",
    "high",
    "installs a package from a reference that can move",
    "Name a full commit, or a version with hashes.",
    "CWE-494",
)
UNPINNED = rule(
    "unsafe-images/unpinned-package",
    "medium",
    "builds whatever version of a package is newest into an image",
    "Copy a lock file in and install with --require-hashes.",
    "CWE-1104",
)
ARCHIVE = rule(
    "dependency-policy/unhashed-archive",
    "high",
    "installs a package from an address without a hash",
    "Add #sha256=... or keep the wheel in your own index.",
    "CWE-494",
)

COMMAND_RULES: dict[str, Rule] = {
    "pipe": PIPED,
    "hub": HUB,
    "decoded": PIPED,
    "tls": UNCHECKED,
    "cleartext": CLEARTEXT,
    "index": INDEX,
    "moving": MOVING,
    "unpinned": UNPINNED,
    "archive": ARCHIVE,
    "writable": WRITABLE,
    "printed": BAKED,
    "socket": SOCKET,
}

_SECRET_NAME = expression(
    r"(?i)(?:^|_)(?:token|secret|passw(?:or)?d|passwd|api_?key|access_?key(?:_id)?|private_?key|credentials?)(?:$|_(?!file|path|name|url|dir|ttl))"
)
_SECRET_FILES = expression(
    r"(?:^|[/\s\"])(?:\.env(?!\.example|\.sample|\.template)[\w.]*|id_(?:rsa|dsa|ecdsa|ed25519)|\.netrc|_netrc|\.pypirc|"
    r"\.aws/?|\.ssh/?|\.kube/config|kubeconfig|\.git-credentials|\.docker/config\.json|kaggle\.json|"
    r"credentials(?:\.json)?|[\w-]*service[-_]account[\w-]*\.json|[\w.-]+\.(?:pem|key|p12|pfx|kdbx)|\.huggingface/token|secrets?\.(?:ya?ml|json|toml|env))(?=[\s\",\]/]|$)"
)
_OLD = expression(
    r"(?:^|/)(?:python:(?:2|3\.[0-8])(?:\D|$)|debian:(?:wheezy|jessie|stretch|buster|[789]|10)(?:\D|$)|"
    r"ubuntu:(?:1[0-8]\.\d\d|trusty|xenial|bionic|precise)|centos:?[5678]?(?:\D|$)|fedora:[12]\d(?:\D|$)|alpine:3\.(?:\d|1[0-5])(?:\D|$)|"
    r"node:(?:[4-9]|1[0-6])(?:\D|$)|(?:tensorflow/)?tensorflow:(?:0|1)\.|nvidia/cuda:(?:[789]|10)\.|"
    r"pytorch/pytorch:(?:0|1\.[0-9](?:\D|$))|openjdk:(?:[67]|1[0-6])(?:\D|$)|amazonlinux:1|"
    r"[\w./-]+:[\w.-]*-(?:stretch|jessie|buster|wheezy|xenial|bionic|trusty)(?:\W|$))"
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One instruction with its arguments."""

    word: str
    rest: str
    line: int


def is_image_file(path: PurePath) -> bool:
    """Whether a file says how an image is built."""
    name = path.name.lower()
    return name.startswith(("dockerfile", "containerfile")) or name.endswith(
        (".dockerfile", ".containerfile")
    )


def image_hits(text: str) -> Iterator[Hit]:
    """Hits of one container file, of all families that its lines touch."""
    lines = list(_lines(text))
    yield from _bases(lines)
    yield from _user(lines)
    for line in _started(lines):
        yield from _of_line(line)
    yield from _baked(lines)


def _lines(text: str) -> Iterator[_Line]:
    raw, number = text.split("\n"), 0
    while number < len(raw):
        first = number
        pieces = [raw[number]]
        while pieces[-1].rstrip().endswith("\\") and number + 1 < len(raw):
            number += 1
            pieces.append("\\" if raw[number].lstrip().startswith("#") else raw[number])
        number += 1
        word, _, rest = pieces[0].strip().partition(" ")
        heredoc = re.search(r"<<-?\s*[\"']?(\w+)[\"']?", pieces[0])
        if heredoc is not None and word.upper() in {"RUN", "COPY"}:
            while number < len(raw) and raw[number].strip() != heredoc[1]:
                pieces.append(raw[number])
                number += 1
        if re.fullmatch(r"[A-Za-z]+", word):
            yield _Line(word.upper(), "\n".join([rest, *pieces[1:]]), first + 1)


def _bases(lines: list[_Line]) -> Iterator[Hit]:
    stages: set[str] = set()
    defaults = {
        pair[0]: pair[2].strip("\"'")
        for line in lines
        if line.word == "ARG" and (pair := line.rest.strip().partition("="))[1]
    }
    for line in lines:
        for name in _borrowed(line) if line.word in {"COPY", "ADD", "RUN", "ONBUILD"} else ():
            foreign = _filled(name, defaults)
            if not foreign.isdigit() and foreign.lower() not in stages and "$" not in foreign:
                yield from base_hits(foreign, line.line)
        if line.word != "FROM":
            continue
        words = [word for word in line.rest.split() if not word.startswith("--")]
        name = _filled(words[0], defaults) if words else ""
        if name and name != "scratch" and name.lower() not in stages and "$" not in name:
            yield from base_hits(name, line.line)
        if len(words) > 2 and words[1].lower() == "as":
            stages.add(words[2].lower())


_BORROWED = expression(r"--from=[\"']?([^\s\"',]+)|--mount=[^\s]*?\bfrom=[\"']?([^\s\"',]+)")


def _borrowed(line: _Line) -> list[str]:
    """Images that files are taken from: ``COPY --from=IMAGE``, ``RUN --mount=from=IMAGE``."""
    return [first or second for first, second in _BORROWED.findall(line.rest)]


def _filled(name: str, defaults: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: defaults.get(m[1], m[2] or m[0]), name)


def base_hits(name: str, line: int) -> Iterator[Hit]:
    """What the name of an image leaves open."""
    if "@sha256:" not in name:
        yield Hit(BASE, line, name)
    if _OLD.search(name.partition("@")[0]):
        yield Hit(OLD, line, name)


def _user(lines: list[_Line]) -> Iterator[Hit]:
    """Who the last stage runs as; a stage that starts nothing is a base for others."""
    starts = [number for number, line in enumerate(lines) if line.word == "FROM"]
    last = lines[starts[-1] :] if starts else []
    users = [line for line in last if line.word == "USER"]
    runs = [line for line in last if line.word in {"CMD", "ENTRYPOINT"}]
    base = last[0].rest if last else ""
    if re.search(r"nonroot|distroless|rootless|jupyter/|quay\.io/jupyter|bitnami/", base):
        return
    if users and re.match(r"(?:root|0)(?:\D|$)", users[-1].rest.strip()):
        yield Hit(ROOT, users[-1].line, "USER root")
    elif runs and not users:
        yield Hit(ROOT, runs[-1].line, "no USER")


def _started(lines: list[_Line]) -> Iterator[_Line]:
    """The lines, CMD with the exec form of ENTRYPOINT before it: they are one command."""
    entry = ""
    known: dict[str, str] = {}
    for line in lines:
        if line.word == "FROM":
            entry = ""
        elif line.word == "ENTRYPOINT":
            entry = _words(line.rest) if line.rest.strip().startswith("[") else ""
        elif line.word == "ENV":
            known |= {name: value for name, value, _ in _pairs(line.rest)}
        elif line.word == "CMD" and entry and line.rest.strip().startswith("["):
            line = _Line("CMD", f"{entry} {_words(line.rest)}", line.line)  # noqa: PLW2901 - the whole command in its place
        if line.word in {"CMD", "ENTRYPOINT"} and "$" in line.rest:
            line = _Line(line.word, filled(line.rest, known), line.line)  # noqa: PLW2901 - as it runs
        yield line


def _of_line(line: _Line) -> Iterator[Hit]:
    if line.word in {"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "ONBUILD"}:
        yield from _commands(line)
    elif line.word == "ADD":
        url = re.search(r"\b(?:https?|ftp|git)://\S+|git@\S+", line.rest)
        if url is not None and "--checksum=" not in line.rest:
            yield Hit(ADD, line.line, url[0])
    if line.word in {"ADD", "COPY"}:
        found = _SECRET_FILES.search(line.rest.split("--from", maxsplit=1)[0])
        if found is not None and "--from=" not in line.rest:
            yield Hit(COPIED, line.line, found[0].strip())
    elif line.word == "EXPOSE" and re.search(
        r"(?:^|\s)(?:22|23|3389|5900)(?:/tcp)?(?:\s|$)", line.rest
    ):
        yield Hit(REMOTE, line.line, f"EXPOSE {line.rest.strip()}")
    elif line.word in {"ENV", "ARG", "LABEL"}:
        yield from _variables(line)


def _commands(line: _Line) -> Iterator[Hit]:
    text = _words(line.rest)
    for kind, offset, found in faults(text):
        if kind in COMMAND_RULES:
            yield Hit(COMMAND_RULES[kind], line.line + offset, found)
    for broken, offset, found in command_faults(text):
        yield Hit(broken, line.line + offset, found)
    joined = continued(text)
    for rule_, pattern in (
        (SUDO, r"NOPASSWD\s*:\s*ALL|(?:passwd|adduser|usermod)[^\n;&]{0,40}\bsudo\b.*NOPASSWD"),
        (REMOTE, r"\b(?:apt-get|apk|yum)\b[^\n;&]{0,200}\bopenssh-server\b"),
        (
            BAKED,
            r"(?:HF_TOKEN|TOKEN|PASSWORD|SECRET|API_KEY)=[A-Za-z0-9_/+-]{8,}|://[^\s/:@$]+:[^\s/@${]+@",
        ),
    ):
        seen = re.search(pattern, joined)
        if seen is not None and "--mount=type=secret" not in joined:
            yield Hit(rule_, line.line + text.count("\n", 0, seen.start()), rule_.name)
    if dumps_environment(text) is not None and line.word == "RUN":
        yield Hit(BAKED, line.line, "prints the environment while building")


def _words(rest: str) -> str:
    """The exec form as the words of a command."""
    bare = rest.strip()
    if not bare.startswith("["):
        return rest
    try:
        words = json.loads(continued(bare))
    except ValueError:
        return rest
    return " ".join(map(str, words)) if isinstance(words, list) else rest


def _pairs(rest: str) -> Iterator[tuple[str, str, int]]:
    found = False
    text = continued(rest)
    for match in re.finditer(r"([A-Za-z_][\w.]*)=(\"[^\"\n]*\"|'[^'\n]*'|[^\s]*)", text):
        found = True
        yield match[1], match[2].strip("\"'"), rest.count("\n", 0, match.start())
    if not found:
        name, _, value = rest.strip().partition(" ")
        yield name, value.strip(), 0


def _variables(line: _Line) -> Iterator[Hit]:
    for name, value, offset in _pairs(line.rest):
        broken = setting_fault(name, value)
        if broken is not None and (value or line.word == "ENV"):
            yield Hit(broken, line.line + offset, f"{name}={value}")
        index = index_fault(name, value)
        if index is not None:
            yield Hit(index, line.line + offset, name)
        given = value and not value.startswith(("$", "/", "<")) and line.word != "LABEL"
        if given and _SECRET_NAME.search(name) and not _is_placeholder(value):
            yield Hit(BAKED, line.line + offset, name)


def _is_placeholder(value: str) -> bool:
    return (
        re.search(r"(?i)^(?:change|your|xxx|todo|none|null|true|false|dummy|example|\d+$)", value)
        is not None
    )


def _baked(lines: list[_Line]) -> Iterator[Hit]:
    """A build argument that becomes a variable of the image, or is used in a command."""
    secrets = {
        line.rest.strip().partition("=")[0]: line.line
        for line in lines
        if line.word == "ARG" and _SECRET_NAME.search(line.rest.strip().partition("=")[0])
    }
    for name, number in secrets.items():
        if any(
            line.word in {"ENV", "RUN"} and re.search(rf"\$\{{?{re.escape(name)}\b", line.rest)
            for line in lines
        ):
            yield Hit(BAKED, number, f"ARG {name}")


def index_fault(name: str, value: str) -> Rule | None:
    """Variables that change where packages come from."""
    key = name.upper()
    if key in {"PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"} and value:
        return INDEX
    if key in {"UV_INSECURE_HOST", "PIP_FIND_LINKS", "UV_FIND_LINKS"} and value:
        return INDEX if "http://" in value or "INSECURE" in key else None
    if key == "UV_INDEX_STRATEGY" and value.startswith("unsafe"):
        return INDEX
    is_index = key in {"PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"}
    return INDEX if is_index and value.startswith("http://") else None
