"""From a checkpoint to a model file: where it goes, and what is read."""

from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import CheckpointError, OutputError, UsageError
from mixcli.models.checkpoint import TrainedModel, load_checkpoint, load_model
from mixcli.models.input_names import parse_inputs
from mixcli.models.model_paths import CHECKPOINTS, find_model


def convert_target(file: Path, out: Path | None, *, overwrite: bool) -> Path:
    """Say where the weights of a checkpoint go: `out`, or its name in the current folder.

    Raises UsageError E232 for another ending than .safetensors, OutputError E501 for files that are there.
    """
    path = Path(f"{file.stem}.safetensors") if out is None else out
    if path.suffix != ".safetensors":
        message = f'"{display_name(path)}": models are written as .safetensors.'
        raise UsageError(message, code="E232", hint=f"--out {display_name(path.with_suffix('.safetensors'))}")
    there = [each for each in (path, path.with_suffix(".json")) if each.exists() or each.is_symlink()]
    if there and not overwrite:
        message = f'"{display_name(there[0])}" exists already.'
        raise OutputError(message, code="E501", hint="--force, or another --out.")
    return path


def read_convertible(file: Path, inputs: str | None, *, half: bool = False) -> TrainedModel:
    """Read a checkpoint; `inputs` says what its channels are, where it does not say so itself.

    Where 16-bit floats are wanted (`half`), a model is read as well.

    Raises SettingsError E405 and E411, CheckpointError E401, E403, E404 and E408.
    """
    path = find_model(file)
    if path.suffix not in CHECKPOINTS and half and inputs is None:
        return load_model(path)
    if path.suffix not in CHECKPOINTS:
        message = f'"{display_name(path)}" is a model already, not a checkpoint.'
        raise CheckpointError(message, code="E408", hint=f'mixcli mix SONG --model "{path}"')
    return load_checkpoint(path, None if inputs is None else parse_inputs(inputs))
