"""`backendhub completion SHELL`: a static script, so that TAB never starts the application.

The script holds the whole command tree as it is now; print it again after an upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from typer import Argument

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid
from backendhub.kit.output import FORMATS

app = cli.commands("completion")
COMMANDS = {"completion": app}
# Shell → (file that is loaded when needed, start-up file that may source it instead).
FILES = {
    "bash": ("~/.local/share/bash-completion/completions/backendhub", "~/.bashrc"),
    "zsh": ("~/.zfunc/_backendhub", "~/.zshrc"),
    "fish": ("~/.config/fish/completions/backendhub.fish", "~/.config/fish/config.fish"),
}
VALUES = {"--format": FORMATS, "--color": ("auto", "always", "never")}


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the command tree: what may follow it, and which of its options take a value."""

    path: str
    words: tuple[tuple[str, str], ...]
    options: tuple[str, ...]
    valued: tuple[str, ...]
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()


@app.command(
    default=True,
    undoable=False,
    examples=(
        "backendhub completion bash > ~/.local/share/bash-completion/completions/backendhub",
        "backendhub completion zsh > ~/.zfunc/_backendhub    # with fpath+=~/.zfunc before compinit",
        "backendhub completion fish > ~/.config/fish/completions/backendhub.fish",
    ),
)
def completion(shell: Annotated[str, Argument(help="bash, zsh or fish.", metavar="SHELL")]) -> None:
    """Print a shell completion script."""
    makers = {"bash": bash, "zsh": zsh, "fish": fish}
    if shell not in makers:
        raise Invalid(f"There is no completion for {shell!r}.", hint="choose from bash, zsh, fish")
    hub.output().raw(makers[shell](tree()))


# -- the tree ---------------------------------------------------------------------------------------------


def tree() -> list[Node]:
    """Every command and group, the root first."""
    from backendhub.app.main import APP, SWITCHES, VALUE_FLAGS, load

    tools = [(s.name, s.summary) for s in registry.SYSTEMS if s.has("cli")]
    words = [*tools, *((name, text) for name, (_, text) in APP.items())]
    valued = tuple(f"--{name}" for name in VALUE_FLAGS)
    switches = (*(f"--{name}" for name in SWITCHES), "-q", "--version", "-h", "--help")
    nodes = [Node("", tuple(words), (*valued, *switches), valued)]
    for name, _ in words:
        nodes += _group(load(name))
    return nodes


def _group(commands: cli.Commands) -> Iterator[Node]:
    rows = [(n, s.summary) for s in commands.specs.values() if not s.hidden for n in (s.name, *s.aliases)]
    rows += [(name, sub.help) for name, sub in commands.groups.items()]
    rows += [(value, "") for value in _arguments().get(commands.name, ())]
    if commands.fallback is not None:
        options, valued, choices = _options(commands.name, commands.fallback)
    else:
        options, valued, choices = ("-h", "--help"), (), ()
    yield Node(commands.name, tuple(rows), options, valued, choices)
    for spec in commands.specs.values():
        path = f"{commands.name} {spec.name}"
        options, valued, choices = _options(path, spec)
        following = tuple((value, "") for value in _arguments().get(path, ()))
        for name in (spec.name, *spec.aliases):
            yield Node(f"{commands.name} {name}", following, options, valued, choices)
    for sub in commands.groups.values():
        yield from _group(sub)


def _options(
    path: str, spec: cli.Spec
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]:
    """The options of a command, those of them that take a value, and the values that are known."""
    params = [p for p in cli.build(path, spec, {}).params if p.param_type_name == "option"]
    every = tuple(o for p in params for o in (*p.opts, *p.secondary_opts))
    valued = tuple(o for p in params for o in p.opts if not getattr(p, "is_flag", False))
    own = {o for p in params for o in p.opts if not p.name or not p.name.startswith("output_")}
    choices = tuple((o, v) for o, v in VALUES.items() if o in every and o not in own)
    return (*every, "-h", "--help"), valued, choices


def _arguments() -> dict[str, tuple[str, ...]]:
    """Arguments whose values are names that are known now."""
    served = tuple(s.name for s in registry.SYSTEMS if s.has("api"))
    settings = tuple(hub.current().settings.declared)
    found = {"serve": served, "openapi": served, "completion": tuple(FILES)}
    found |= {"demo": tuple(s.name for s in registry.SYSTEMS)}
    found |= {f"config {verb}": settings for verb in ("get", "set", "unset")}
    return found | {"task list": ("todo", "in-progress", "done", "not-done", "all")}


# -- bash and zsh -----------------------------------------------------------------------------------------

_BASH = """# bash completion for backendhub; made by `backendhub completion bash`
_backendhub() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at="" i word
  local words="" options="" valued=" " choices=""
  _backendhub_at ""
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case "$word" in
      -*) [[ $valued == *" $word "* ]] && ((i++)); continue ;;
    esac
    _backendhub_at "${at:+$at }$word" && at="${at:+$at }$word"
  done
  _backendhub_at "$at"
  case "$prev" in
    -*)
      if [[ $valued == *" $prev "* ]]; then
        _backendhub_values "$at" "$prev"
        COMPREPLY=($(compgen -W "$choices" -- "$cur"))
        [[ -z $choices ]] && COMPREPLY=($(compgen -f -- "$cur"))
        return 0
      fi ;;
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$cur")); [[ -z $words ]] && COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
  return 0
}
_backendhub_at() {
  case "$1" in
%(at)s
    *) return 1 ;;
  esac
}
_backendhub_values() {
  choices=""
  case "$1|$2" in
%(values)s
    *) return 0 ;;
  esac
}
"""


def _tables(nodes: list[Node]) -> dict[str, str]:
    """The tree as two shell `case` tables; names of commands and options need no quoting inside quotes."""
    at = [
        f'    "{n.path}") words="{" ".join(w for w, _ in n.words)}" options="{" ".join(n.options)}"'
        f' valued=" {" ".join(n.valued)} " ;;'
        for n in nodes
    ]
    values = [
        f'    "{n.path}|{option}") choices="{" ".join(found)}" ;;'
        for n in nodes
        for option, found in (n.choices if n.path else tuple(VALUES.items()))
    ]
    return {"at": "\n".join(at), "values": "\n".join(values)}


def bash(nodes: list[Node]) -> str:
    """The script for bash."""
    return _BASH % _tables(nodes) + "complete -o filenames -F _backendhub backendhub\n"


_ZSH = """#compdef backendhub
# zsh completion for backendhub; made by `backendhub completion zsh`
_backendhub() {
  local cur=${words[CURRENT]} prev=${words[CURRENT-1]} at="" word i
  local -a line; line=("${words[@]}")
  local words="" options="" valued=" " choices=""
  _backendhub_at ""
  for ((i = 2; i < CURRENT; i++)); do
    word=${line[i]}
    if [[ $word == -* ]]; then
      [[ $valued == *" $word "* ]] && ((i++))
      continue
    fi
    _backendhub_at "${at:+$at }$word" && at="${at:+$at }$word"
  done
  _backendhub_at "$at"
  if [[ $prev == -* && $valued == *" $prev "* ]]; then
    _backendhub_values "$at" "$prev"
    if [[ -n $choices ]]; then compadd -- ${=choices}; else _files; fi
  elif [[ $cur == -* ]]; then
    compadd -- ${=options}
  elif [[ -n $words ]]; then
    compadd -- ${=words}
  else
    _files
  fi
}
_backendhub_at() {
  case "$1" in
%(at)s
    *) return 1 ;;
  esac
}
_backendhub_values() {
  choices=""
  case "$1|$2" in
%(values)s
    *) return 0 ;;
  esac
}
if [[ $funcstack[1] == _backendhub ]]; then _backendhub "$@"; else compdef _backendhub backendhub; fi
"""


def zsh(nodes: list[Node]) -> str:
    """The script for zsh."""
    return _ZSH % _tables(nodes)


# -- fish -------------------------------------------------------------------------------------------------

_FISH = """# fish completion for backendhub; made by `backendhub completion fish`
function __backendhub_at
    set -l at ""
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$word"
            case %(valued)s
                set skip 1
                continue
            case '-*'
                continue
        end
        set -l next (string trim -- "$at $word")
        switch "$next"
            case %(paths)s
                set at "$next"
        end
    end
    test "$at" = "$argv[1]"
end
"""


def fish(nodes: list[Node]) -> str:
    """The script for fish, with descriptions."""
    valued = sorted({option for node in nodes for option in node.valued})
    paths = [node.path for node in nodes if node.path]
    script = [_FISH % {"valued": " ".join(map(_quote, valued)), "paths": " ".join(map(_quote, paths))}]
    for node in nodes:
        where = f"complete -c backendhub -n {_quote(f'__backendhub_at {_quote(node.path)}')}"
        script += [f"{where} -f -a {_quote(word)} -d {_quote(text)}\n" for word, text in node.words]
        choices = dict(node.choices if node.path else tuple(VALUES.items()))
        for option in node.options:
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            value = " -r" if option in node.valued else ""
            if option in choices:
                value = f" -x -a {_quote(' '.join(choices[option]))}"
            script.append(f"{where} {flag}{value}\n")
    return "".join(script)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
