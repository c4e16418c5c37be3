"""Names with values, and commands, out of the files in which settings are written.

INI, properties, ``.env``, TOML, Redis, nginx and systemd files are read line by line, YAML as
a tree, JSON as text. Commands come out of scripts, makefiles, process files and manifests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from hauberk.core.artifact import SourceFile
from hauberk.formats.yaml_text import Node
from hauberk.methods.expressions import expression


@dataclass(frozen=True, slots=True)
class Setting:
    """One name with its value and line."""

    name: str
    value: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    """Text for a shell, with the line of its first line."""

    text: str
    line: int


_SCRIPTS = frozenset({".sh", ".bash", ".zsh", ".ksh", ".bat", ".ps1", ".mk", ".service", ".cmd"})
_SCRIPT_NAMES = expression(
    r"(?:gnu)?makefile|procfile|justfile|taskfile|entrypoint|run|start|post(?:create|start|install)|bootstrap|crontab",
    re.IGNORECASE,
)
_LINED = frozenset({".ini", ".cfg", ".conf", ".properties", ".env", ".toml", ".rc"})
_ASSIGNED = expression(
    r"^[ \t]*(?:export[ \t]+|set[ \t]+|Environment=[\"']?)?(?P<name>[A-Za-z_][\w.\-]*)[ \t]*(?:=|:(?!/))[ \t]*(?P<value>[^\n]*)$"
)
_SPACED = expression(r"^[ \t]*(?P<name>[A-Za-z][\w.-]*)[ \t]+(?P<value>\S[^\n;#]*)")
_SECTION = expression(r"^[ \t]*\[+(?P<name>[^\]]+)\]+")


_SHELL_LINE = expression(r"#![^\n]{0,60}\b(?:ba|z|da|k)?sh\b")


def is_script(path: PurePath, text: str = "") -> bool:
    """Whether a file holds commands: by its name, or by the first line of ``text``."""
    if path.suffix in _SCRIPTS:
        return True
    if not path.suffix and _SCRIPT_NAMES.fullmatch(path.name) is not None:
        return True
    is_timed = path.parent.name in {"cron.d", "cron"} or path.suffix in {".cron", ".crontab"}
    return is_timed or _SHELL_LINE.match(text) is not None


def is_lined(path: PurePath) -> bool:
    """Whether settings stand there line by line."""
    name = path.name.lower()
    if path.parts[-2:-1] == (".dvc",) and name.startswith("config"):
        return True
    if name.startswith(".env") or name.endswith((".flaskenv", "env.example")):
        return True
    return path.suffix in _LINED or name in {"sshd_config", "pip.conf"}


def is_yaml(path: PurePath) -> bool:
    """Whether a file says that it is YAML."""
    return path.suffix in {".yaml", ".yml"} or path.name.endswith((".yaml.tpl", ".yml.j2"))


def lined_settings(file: SourceFile) -> Iterator[Setting]:
    """Settings of a file of lines; names within a section come with it too."""
    section, spaced = "", file.path.name.startswith(("redis", "nginx", "sshd", "ssh_"))
    spaced = spaced or "redis" in file.path.name or "nginx" in file.path.as_posix()
    for number, line in enumerate(file.text.split("\n"), start=1):
        bare = line.strip()
        if not bare or bare[0] in "#;!":
            continue
        found = _SECTION.match(line)
        if found is not None and "=" not in line.partition("]")[2]:
            section = found["name"].strip().lower()
            continue
        pair = (_SPACED if spaced else _ASSIGNED).match(line)
        if pair is None and file.path.suffix == ".conf":
            pair = _SPACED.match(line)
        if pair is not None:
            value = _value(pair["value"])
            yield Setting(pair["name"], value, number)
            if section:
                yield Setting(f"{section}.{pair['name']}", value, number)


def _value(text: str) -> str:
    text = text.strip()
    if text[:1] in "\"'" and len(text) > 1:
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text
    return re.split(r"\s[#;]", text, maxsplit=1)[0].strip()


def yaml_settings(node: Node) -> Iterator[Setting]:
    """Settings of a tree: scalars by key and by path, and ``name``/``value`` pairs of lists."""
    for path, inner in node.walk():
        if inner.kind == "mapping":
            name, value = inner.get("name"), inner.get("value")
            if name is not None and value is not None and name.text and value.text is not None:
                yield Setting(name.text, value.text, value.line)
            for key, child in inner.entries.items():
                if child.text is not None and child.kind == "scalar":
                    yield Setting(key, child.text, child.line)
                    if path:
                        yield Setting(f"{path[-1]}.{key}", child.text, child.line)
        elif inner.kind == "sequence":
            yield from _listed(inner)


def _listed(node: Node) -> Iterator[Setting]:
    """``- NAME=value`` of compose files."""
    for item in node.items:
        pair = re.fullmatch(r"([A-Za-z_][\w.]*)=(.*)", item.text or "", re.DOTALL)
        if pair is not None:
            yield Setting(pair[1], pair[2], item.line)


_COMMANDED = frozenset(
    {"command", "args", "entrypoint", "script", "run", "cmd", "before_script", "after_script"}
    | {"bash", "pwsh", "powershell", "postcreatecommand", "poststartcommand", "onstart", "entry"}
    | {"initializecommand", "oncreatecommand", "updatecontentcommand", "postattachcommand", "exec"}
    | {"commands", "setup", "cmds", "shell", "test-cmd", "lint-cmd", "install", "build_command"}
)


_EXECUTED = frozenset({"command", "args", "entrypoint"})
"""Keys whose lists are the words of one command, and not several commands."""


def yaml_commands(node: Node) -> Iterator[Command]:
    """Commands of a tree; of a container its command and arguments together."""
    for _, inner in node.walk():
        if inner.kind != "mapping":
            continue
        texts: list[tuple[str, int]] = []
        for key, child in inner.entries.items():
            if key.lower() in _COMMANDED or key.lower().endswith("_commands"):
                texts += _texts(child)
        program = _program_of(inner.string("image")) if texts else ""
        if program and program not in " ".join(text for text, _ in texts):
            texts[0] = (f"{program} {texts[0][0]}", texts[0][1])
        if len(texts) > 1 and _EXECUTED & {key.lower() for key in inner.entries}:
            yield _joined(texts)
        else:
            yield from (Command(text, line) for text, line in texts)


_PROGRAMS = {
    "redis": "redis-server", "redis-stack-server": "redis-server", "valkey": "redis-server",
    "mongo": "mongod", "mysql": "mysqld", "mariadb": "mysqld", "postgres": "postgres",
    "tritonserver": "tritonserver", "mlflow": "mlflow", "minio": "minio", "etcd": "etcd",
    "prometheus": "prometheus", "traefik": "traefik", "portainer": "portainer",
    "portainer-ce": "portainer", "vllm-openai": "vllm serve", "vault": "vault",
    "text-generation-inference": "text-generation-launcher", "code-server": "code-server",
    "docker": "dockerd", "torchserve": "torchserve", "label-studio": "label-studio",
    "ollama": "ollama", "chroma": "chroma", "prefect": "prefect", "argocli": "argo",
}  # fmt: skip
"""What the image of a name starts when its command gives only arguments."""


def _program_of(image: str) -> str:
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return _PROGRAMS.get(name, "")


def _texts(node: Node) -> list[tuple[str, int]]:
    if node.text is not None:
        offset = 1 if node.kind == "block" else 0
        return [(node.text, node.line + offset)]
    return [pair for item in node.items for pair in _texts(item)]


def _joined(texts: list[tuple[str, int]]) -> Command:
    """Words of one command on the lines on which they stand."""
    pieces: list[str] = []
    line = texts[0][1]
    at = line
    for text, number in texts:
        pieces.append("\\\n" * max(number - at, 0) if pieces else "")
        pieces.append(("" if not pieces[-1] and len(pieces) == 1 else " ") + text)
        at = number + text.count("\n")
    return Command("".join(pieces), line)


def script_commands(file: SourceFile) -> Command:
    """A script as one text."""
    return Command(file.text, 1)
