"""`mixcli doctor`: what this machine and this installation can do; what a bug report should hold."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from mixcli.cli.show import result_line

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "pyloudnorm",
    "safetensors",
    "pydantic",
    "typer",
    "rich",
)


def doctor(json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Show versions, memory, device, formats, presets and models: what a report of a bug should hold."""
    facts = collect_facts()
    if json:
        from mixcli.mixing.result import to_json

        sys.stdout.write(to_json(facts))
        return
    for key, value in facts.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        shown = ", ".join(map(str, shown)) if isinstance(shown, list) else shown
        result_line(f"{key}: {shown}")


def collect_facts() -> dict[str, Any]:
    """Everything doctor tells, as plain data."""
    import soundfile

    from mixcli import __version__
    from mixcli.models.model_paths import default_model
    from mixcli.settings import preset_names

    return {
        "schema": "mixcli.doctor/1",
        "mixcli": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "memory_gib": memory_gib(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "libsndfile": soundfile.__libsndfile_version__,
        "reads": sorted(soundfile.available_formats()),
        "device": device(),
        "presets": preset_names(),
        "default_network": "installed" if default_model() is not None else "none; the console mixes alone",
    }


def package_version(name: str) -> str:
    """The installed version of a package, or "missing"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def memory_gib() -> float | None:
    """Physical memory, where the system tells it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def device() -> str:
    """What networks run on here."""
    import torch

    if torch.cuda.is_available():
        return f"cpu (--device cuda: {torch.cuda.get_device_name(0)})"
    return f"cpu (torch {torch.__version__})"
