"""The JSON file of a model, `NAME.json`: read small, checked whole, every mistake one line."""

import json
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from mixcli.audio.wording import display_name, printable
from mixcli.errors import CheckpointError, SettingsError
from mixcli.models.settings import ModelPart, ModelSettings
from mixcli.strict_yaml import validate

MAX_JSON_BYTES = 64 * 1024

Part = TypeVar("Part", bound=ModelPart)


class Distances(ModelPart):
    """How far from what a network learnt from input is still familiar, and from where on it is not."""

    near: float = Field(gt=0, allow_inf_nan=False)
    far: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _far_is_farther(self) -> Self:
        if self.far <= self.near:
            raise ValueError("far must be farther than near")
        return self


class Limits(ModelPart):
    """How far from the console's mix the mix of a network may lie, by the measures of nearness.

    None: no limit by this measure.
    """

    tone_db: float | None = Field(None, gt=0, allow_inf_nan=False)
    width_db: float | None = Field(None, gt=0, allow_inf_nan=False)
    image_db: float | None = Field(None, gt=0, allow_inf_nan=False)
    dynamics_db: float | None = Field(None, gt=0, allow_inf_nan=False)
    spectra_db: float | None = Field(None, gt=0, allow_inf_nan=False)
    features: float | None = Field(None, gt=0, allow_inf_nan=False)

    def by_measure(self) -> dict[str, float]:
        """The limits that there are."""
        return {key: value for key, value in self.model_dump().items() if value is not None}


class ModelFile(ModelPart):
    """The JSON file of a model. `weights_sha256` ties it to the file of the weights.

    Where there is `familiarity`, that file also holds what it is measured by (models/familiarity.py).
    """

    format: Literal["mixcli.model/1"] = "mixcli.model/1"
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    settings: ModelSettings
    familiarity: Distances | None = None
    limits: Limits | None = None


def read_text(path: Path) -> str:
    """Read a JSON file of at most MAX_JSON_BYTES as text. Raises CheckpointError E404."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
        if len(content) > MAX_JSON_BYTES:
            raise CheckpointError(
                f'"{display_name(path)}" is larger than {MAX_JSON_BYTES} bytes; not read.', code="E404"
            )
        return content.decode("utf-8")
    except OSError as error:
        raise CheckpointError(
            f'"{display_name(path)}" cannot be read: {error.strerror}.', code="E404"
        ) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f'"{display_name(path)}" is not UTF-8 text.', code="E404") from error


def parse_part(part: type[Part], text: str, path: Path) -> Part:
    """Check JSON text against a part of the settings; every mistake is one line.

    Raises CheckpointError E404.
    """

    def refuse_number(text: str) -> None:
        raise ValueError(f"{text} is not a number of JSON")

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        if len(text) > MAX_JSON_BYTES:
            raise ValueError("too long")
        data = json.loads(text, parse_constant=refuse_number, object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValueError) else "nested too deeply"
        raise CheckpointError(f'"{display_name(path)}" is not valid JSON: {reason}.', code="E404") from error
    try:
        return validate(part, data, source=f'"{display_name(path)}"', code="E404")
    except SettingsError as error:
        raise CheckpointError(printable(error.message), code=error.code, hint=error.hint) from error
