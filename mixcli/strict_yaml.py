"""Reading the YAML files people write: plain data, small, every mistake told with its file and line."""

from collections.abc import Hashable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mixcli.errors import SettingsError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that also refuses aliases (bombs) and keys given twice (one would be lost silently)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # missing in PyYAML's stubs
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not allowed", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f'key "{key}" is given twice', problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_mapping(path: Path, *, max_bytes: int, code: str = "E411") -> dict[str, Any]:
    """Read one YAML mapping. Raises SettingsError for anything else, with the file and the line."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise SettingsError(f'"{path.name}" cannot be read: {error.strerror}.', code=code) from error
    if len(content) > max_bytes:
        raise SettingsError(f'"{path.name}" is larger than {max_bytes} bytes; not read.', code=code)
    try:
        document = yaml.load(content.decode("utf-8-sig"), Loader=_StrictLoader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise SettingsError(
            f'"{path.name}"{line}: {error.problem or "not valid YAML"}.', code=code
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SettingsError(f'"{path.name}" is not valid YAML text.', code=code) from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise SettingsError(f'"{path.name}" must hold "key: value" lines.', code=code)
    return document


Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: object, *, source: str, code: str = "E411") -> Model:
    """Check data against a model; the first mistake becomes one line that names the key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise SettingsError(f'{source}: "{place}" is missing.', code=code) from error
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            near = get_close_matches(key, known_keys(model), n=1)
            hint = (
                f'did you mean "{near[0]}"?'
                if near
                else f"known keys: {', '.join(sorted(known_keys(model)))}"
            )
            raise SettingsError(f'{source}: unknown key "{place}".', code=code, hint=hint) from error
        said = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], dict):
            at = f'"{place}": ' if place else ""
            raise SettingsError(f"{source}: {at}{said}.", code=code) from error
        shown = repr(first["input"])
        shown = shown if len(shown) <= 40 else shown[:37] + "…"
        raise SettingsError(f'{source}: "{place}" is {shown}: {said}.', code=code) from error


def refuse_words_for_numbers(model: type[BaseModel], values: Any) -> Any:
    """Before a model is checked: `off` and `no` mean None where nothing is allowed; else a word is no number.

    YAML reads on, off, yes and no as true and false, and pydantic takes these for 1 and 0. Raises ValueError.
    """
    if not isinstance(values, dict):
        return values
    checked = dict(values)
    for name, field in model.model_fields.items():
        value = checked.get(name)
        if not isinstance(value, bool) or "bool" in str(field.annotation):
            continue
        if value is False and "None" in str(field.annotation):
            checked[name] = None
        else:
            raise ValueError(f'"{name}" takes a number, not on, off, yes or no')
    return checked


def known_keys(model: type[BaseModel]) -> set[str]:
    """All field names of a model and of the models inside it."""
    names: set[str] = set()
    waiting = [model]
    seen: set[type[BaseModel]] = set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for name, field in current.model_fields.items():
            names.add(name)
            waiting += _models_in(field.annotation)
    return names


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
