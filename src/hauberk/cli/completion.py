"""Print a script that completes verbs, deeds and options in a shell.

The script holds all the words itself; nothing of Hauberk runs while you type. Write it again
after an update.

    bash   hauberk completion bash > ~/.local/share/bash-completion/completions/hauberk
    zsh    hauberk completion zsh > "${fpath[1]}/_hauberk"
    fish   hauberk completion fish > ~/.config/fish/completions/hauberk.fish
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

HELP = "print a script that completes verbs and options in bash, zsh or fish"
EXAMPLE = "hauberk completion bash > ~/.local/share/bash-completion/completions/hauberk"

Words = Mapping[str, tuple[str, ...]]
"""A verb, or a verb with a deed, to what may follow it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from hauberk.cli import VERBS

    words = {"": tuple(VERBS), **dict(_words())}
    scripts = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    print(scripts[args.shell](words))
    return 0


def _words() -> Iterator[tuple[str, tuple[str, ...]]]:
    from hauberk.cli import VERBS, module_of
    from hauberk.cli._arguments import add_common, deeds_of

    for verb in VERBS:
        parser = argparse.ArgumentParser(prog=verb, allow_abbrev=False)
        module_of(verb).configure(parser)
        add_common(parser)
        yield verb, _following(parser)
        for name, deed in deeds_of(parser).items():
            yield f"{verb} {name}", _following(deed)


def _following(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    from hauberk.cli._arguments import deeds_of, own_options

    return (*deeds_of(parser), *sorted(own_options(parser)))


def _bash(words: Words) -> str:
    arms = [f"        '{key}') words='{' '.join(found)}' ;;" for key, found in words.items()]
    return _BASH.replace("ARMS", "\n".join(arms))


_BASH = """# Completion of hauberk for bash.
_hauberk_words() {
    local words=''
    case "$1" in
ARMS
    esac
    printf '%s' "$words"
}
_hauberk() {
    local current="${COMP_WORDS[COMP_CWORD]}" verb='' deed='' words
    [ "$COMP_CWORD" -gt 1 ] && verb="${COMP_WORDS[1]}"
    [ "$COMP_CWORD" -gt 2 ] && deed=" ${COMP_WORDS[2]}"
    words="$(_hauberk_words "$verb$deed")"
    [ -n "$words" ] || words="$(_hauberk_words "$verb")"
    COMPREPLY=( $(compgen -W "$words" -- "$current") )
}
complete -o default -F _hauberk hauberk"""


def _zsh(words: Words) -> str:
    return "#compdef hauberk\nautoload -U +X bashcompinit && bashcompinit\n" + _bash(words)


def _fish(words: Words) -> str:
    lines = ["# Completion of hauberk for fish."]
    for key, found in words.items():
        verb, _, deed = key.partition(" ")
        seen = f"__fish_seen_subcommand_from {verb}" if verb else "__fish_use_subcommand"
        if deed:
            seen += f"; and __fish_seen_subcommand_from {deed}"
        for word in found:
            form = f"-l {word.removeprefix('--')}" if word.startswith("--") else f"-f -a {word}"
            lines.append(f"complete -c hauberk -n '{seen}' {form}")
    return "\n".join(lines)
