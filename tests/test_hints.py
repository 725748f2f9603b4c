"""What messages and hints tell people to type exists: commands, their options, and settings."""

import ast
import re
from pathlib import Path

import pytest
import typer

import mixcli
from mixcli.cli.main import app
from mixcli.settings import MixSettings

PACKAGE = Path(mixcli.__file__).parent
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-(?P<letter>[a-zA-Z])(?P=letter)?(?=[\s,:.]|$))")
COMMAND = re.compile(r"\bmixcli(?: ([a-z]+))(?: ([a-z]+))?")


def options_in(text: str) -> list[str]:
    """The options a text names, but for those of another program."""
    return (
        []
        if re.search(r"ffmpeg|dask (worker|scheduler)", text)
        else [match[0] for match in OPTION.finditer(text)]
    )


def literals(path: Path) -> list[tuple[int, str]]:
    """Line and text of every string of a file but its docstrings; "…" stands for what f-strings fill in."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # strings that are statements: docstrings
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            inside |= {id(part) for part in node.values}
            found.append((node.lineno, "".join(parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            found.append((node.lineno, node.value))
    return found


def commands() -> dict[str, set[str]]:
    """Every command ("mix", "presets list") and the options it takes."""
    whole = typer.main.get_command(app)
    leaves = {}
    for name, command in whole.commands.items():
        below = getattr(command, "commands", None)
        for path, leaf in (
            {name if each.hidden else f"{name} {sub}": each for sub, each in below.items()}
            if below
            else {name: command}
        ).items():
            with typer.Context(leaf) as context:
                leaves[path] = {
                    opt for each in leaf.get_params(context) for opt in each.opts if opt[0] == "-"
                }
    return leaves


COMMANDS = commands()
EVERYWHERE = set().union(*COMMANDS.values()) | {"--version", "-V", "--help", "-h", "-vv", "-qq"}
CALLS_ANOTHER_PROGRAM = PACKAGE / "synthesis" / "fluid.py"  # its strings are the options of that one
LITERALS = [
    (f"{path.relative_to(PACKAGE)}:{line}", text)
    for path in sorted(set(PACKAGE.rglob("*.py")) - {CALLS_ANOTHER_PROGRAM})
    for line, text in literals(path)
]


def test_the_options_that_are_named_exist():
    named = {(place, option) for place, text in LITERALS for option in options_in(text)}
    assert len(named) > 50
    assert {(place, option) for place, option in named if option not in EVERYWHERE} == set()


def command_in(match: re.Match[str]) -> str | None:
    """The command that words after "mixcli" name, if they name one."""
    both = " ".join(word for word in match.groups() if word)
    return both if both in COMMANDS else match[1] if match[1] in COMMANDS else None


def test_the_commands_that_are_named_exist_and_take_the_options_behind_them():
    named = set()
    for place, text in LITERALS:
        for match in COMMAND.finditer(text):
            command = command_in(match)
            assert command is not None, f"{place}: {text}"
            named.add(command)
            behind = re.split(r"[;,]|\bmixcli\b", text[match.end() :])[0]
            assert set(options_in(behind)) <= COMMANDS[command], f"{place}: {text}"
    assert {"mix", "batch", "inspect", "doctor", "presets list"} <= named


def test_the_settings_that_are_named_exist():
    named = {key for _, text in LITERALS for key in re.findall(r"\bmix\.([a-z_]+)=", text)}
    assert named
    assert named <= set(MixSettings.model_fields)


@pytest.mark.parametrize("text", ["give --recursiv", "see --gains", "-z"])
def test_an_option_that_does_not_exist_is_found(text):
    assert [option for option in options_in(text) if option not in EVERYWHERE]
