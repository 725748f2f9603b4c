"""The shape of the code: who may import whom, and what the command line may load to start."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import mixcli

PACKAGE = Path(mixcli.__file__).parent
REPOSITORY = Path(__file__).parents[1]

LEVELS = {
    "freed_memory": 0,
    "parent_watch": 0,
    "errors": 1,
    "lanes": 1,
    "process_streams": 1,
    "strict_yaml": 1,
    "settings": 2,
    "audio": 3,
    "songs": 4,
    "console": 5,
    "models": 5,
    "synthesis": 5,
    "engine": 6,
    "measures": 7,
    "reporting": 7,
    "mixing": 8,
    "batching": 9,
    "evaluation": 9,
    "training": 9,
    "cli": 10,
    "__main__": 11,
}
TORCH_ROOMS = {"models", "engine", "training"}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Every module a file imports, and whether the import is at the top of the file."""
    tree = ast.parse(path.read_text("utf-8"))
    found = []
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import):
            found += [(alias.name, top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", top))
    return found


def test_every_file_has_a_room_and_imports_only_downwards():
    for path in FILES:
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        assert room in LEVELS, f"{path} has no place in the table of rooms"
        for module, _ in imports_of(path):
            if module.startswith("mixcli."):
                other = room_of(module)
                allowed = other in (room, "errors") or LEVELS[other] < LEVELS[room]
                assert allowed, f"{path} imports {module}"


def test_only_models_and_engine_import_torch_at_the_top():
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0]
        names = [module.split(".")[0] for module, top in imports_of(path) if top]
        assert "torch" not in names or room in TORCH_ROOMS, path
        assert "click" not in names, path


@pytest.mark.parametrize(
    "words", ["pickle.load", "weights_only=False", "yaml.unsafe_load", "shell=True", "os.system"]
)
def test_unsafe_calls_do_not_occur(words):
    assert [path for path in FILES if words in path.read_text("utf-8")] == []


def test_no_file_names_a_place_outside_the_project():
    texts = [*FILES, *REPOSITORY.glob("presets/*"), *REPOSITORY.glob("docs/*.md"), REPOSITORY / "README.md"]
    for path in texts:
        text = path.read_text("utf-8")
        assert "/work/" not in text, path
        assert "/home/" not in text, path


def test_the_newest_version_of_the_changelog_is_the_package_s():
    versions = re.findall(
        r"^## \[(\d[^]]*)\]", (REPOSITORY / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert versions[0] == mixcli.__version__


@pytest.mark.parametrize("arguments", [["--help"], ["mix", "--help"], ["inspect", "--help"], ["--version"]])
def test_help_loads_neither_torch_nor_scipy_nor_audio(arguments):
    code = (
        f"import sys; sys.argv = ['mixcli', *{arguments!r}]\n"
        "from mixcli.__main__ import run\n"
        "try:\n    run()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        "heavy = {'torch', 'scipy', 'soundfile', 'numpy', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
