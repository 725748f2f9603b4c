"""Where models lie: those that come with mixcli, and those named by a path. Needs no torch."""

from difflib import get_close_matches
from pathlib import Path

from mixcli.audio.wording import printable
from mixcli.errors import CheckpointError

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = "base"
CHECKPOINTS = (".pt", ".ckpt")


def installed_models() -> list[str]:
    """Return the names of the models that come with mixcli, sorted."""
    single = {path.stem for path in WEIGHTS.glob("*.safetensors") if path.stem != "model"}
    folders = {path.parent.name for path in WEIGHTS.glob("*/model.safetensors")}
    return sorted(single | folders)


def default_model() -> str | None:
    """Return the name of the model that mixes when none is asked for, or None if it is not installed."""
    return DEFAULT_MODEL if DEFAULT_MODEL in installed_models() else None


def find_model(model: str | Path) -> Path:
    """Find the file with the weights of a model. Raises CheckpointError E401."""
    path = Path(model)
    if str(model) in installed_models():
        path = WEIGHTS / f"{model}.safetensors"
        path = path if path.is_file() else WEIGHTS / str(model)
    if path.is_dir():
        run = path / "model" / "model.safetensors"
        path = run if run.is_file() else path / "model.safetensors"
    if path.suffix == ".json":
        path = path.with_suffix(".safetensors")
    if path.is_file() and path.suffix in (".safetensors", *CHECKPOINTS):
        return path
    installed = installed_models()
    listed = f"Installed: {', '.join(installed)}." if installed else "No model is installed."
    near = get_close_matches(str(model), installed, n=1)
    hint = f'did you mean "{near[0]}"?' if near else "-m takes the name of a model or a .safetensors file."
    raise CheckpointError(f'no model "{printable(str(model))}". {listed}', code="E401", hint=hint)
