"""Which network is trained: one of those that mixcli knows by name, with what was changed about it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixcli.models.checkpoint import load_model
from mixcli.models.settings import BASE, DEMUCS, NETWORKS, PAPER, TOOLKIT, ModelSettings
from mixcli.strict_yaml import validate

KNOWN: Mapping[str, ModelSettings] = {"base": BASE, "paper": PAPER, "toolkit": TOOLKIT, "demucs": DEMUCS}


def choose_model(name: str, changes: Mapping[str, Any], *, init: Path | str | None = None) -> ModelSettings:
    """The settings of a network by its name, or of the model that training begins from, with changes.

    A change names a key of ModelSettings (`sample_rate`, `inputs`, `licence`) or of its network (`depth`).
    Another `layout` begins with the settings of that layout. Raises SettingsError E411, CheckpointError.
    """
    known = KNOWN[name] if init is None else load_model(init).settings
    own = {key: value for key, value in changes.items() if key in ModelSettings.model_fields}
    of_network = {key: value for key, value in changes.items() if key not in own}
    layout = own.get("layout", known.layout)
    network = known.network.model_dump() if layout == known.layout else {}
    settings = known.model_dump() | own
    if layout in NETWORKS:
        checked = validate(NETWORKS[layout], network | of_network, source="model")
        settings["network"] = checked.model_dump()
    return validate(ModelSettings, settings, source="model")
