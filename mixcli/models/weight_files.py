"""Reading the files that hold weights, with sizes and names checked first. Nothing in them is ever run."""

import argparse
import hashlib
import json
import math
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mixcli.audio.wording import display_name, printable
from mixcli.errors import CheckpointError

MAX_HEADER_BYTES = 1024 * 1024  # of a safetensors file; ours need about 6 kB
MAX_WEIGHTS_BYTES = 4 * 1024**3
BYTES = {"F32": 4, "F16": 2}  # of a value, by the types that models are stored in


def read_safetensors(path: Path, expected: dict[str, tuple[int, ...]]) -> tuple[dict[str, Tensor], str]:
    """Read weights that must have exactly these names and shapes, as 32-bit floats; also the file's sha256.

    In the file they are 32-bit or 16-bit floats. The header is compared with what is expected, and the file's
    size with the header, before the weights are read. Raises CheckpointError E404.
    """
    n_loaded = sum(BYTES["F32"] * math.prod(shape) for shape in expected.values())
    if n_loaded > MAX_WEIGHTS_BYTES:
        raise _damaged(path, f"its network would take {n_loaded} bytes")
    try:
        with path.open("rb") as file:
            n_file = file.seek(0, 2)
            file.seek(0)
            first = file.read(8)
            (n_header,) = struct.unpack("<Q", first) if len(first) == 8 else (0,)
            if not 2 <= n_header <= min(MAX_HEADER_BYTES, n_file - 8):
                raise _damaged(path, "its header is cut short or too large")
            header = file.read(n_header)
            n_data = _check_header(path, header, expected)
            if n_file != 8 + n_header + n_data:
                raise _damaged(path, f"{n_file} bytes, where its network needs {8 + n_header + n_data}")
            content = first + header + file.read(n_data + 1)
    except OSError as error:
        raise CheckpointError(
            f'"{display_name(path)}" cannot be read: {error.strerror}.', code="E404"
        ) from error
    try:
        weights = {name: tensor.float() for name, tensor in safetensors.torch.load(content).items()}
        return weights, hashlib.sha256(content).hexdigest()
    except safetensors.SafetensorError as error:
        raise _damaged(path, "not a safetensors file") from error


def _check_header(path: Path, header: bytes, expected: dict[str, tuple[int, ...]]) -> int:
    """Compare names, shapes and types of a safetensors header with what a network needs; count its bytes."""

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a tensor is named twice")
        return dict(pairs)

    try:
        tensors = json.loads(header.decode("utf-8"), object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header is not valid") from error
    if not isinstance(tensors, dict):
        raise _damaged(path, "its header is not valid")
    tensors.pop("__metadata__", None)
    for name in expected:
        if name not in tensors:
            raise _damaged(path, f'"{name}" is missing')
    for name, entry in tensors.items():
        if name not in expected:
            raise _damaged(path, f"{name[:60]!r} does not belong to its network")
        found = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if found[0] not in tuple(BYTES) or found[1] != list(expected[name]):
            raise _damaged(path, f'"{name}" has another shape or type')
    return sum(BYTES[entry["dtype"]] * math.prod(entry["shape"]) for entry in tensors.values())


def read_training_checkpoint(path: Path) -> tuple[Any, str]:
    """Read what `torch.save` wrote, as plain data and tensors on the CPU only; also the file's sha256.

    One class is let in beside those: argparse.Namespace, in which tools keep their settings, and which holds
    attributes and does nothing. torch.save stores without compression, so whatever claims to be larger inside
    than the file is (a zip bomb) is refused before it is read. Raises CheckpointError E403 for anything but
    plain data, E404 if unreadable.
    """
    unsafe = _unsafe(path, "")
    try:
        with path.open("rb") as file:
            n_file = file.seek(0, 2)
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            n_inside = sum(entry.file_size for entry in entries)
            if not stored or n_inside > n_file or n_file > MAX_WEIGHTS_BYTES:
                raise unsafe
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(file, map_location="cpu", weights_only=True), sha256
    except OSError as error:
        raise CheckpointError(
            f'"{display_name(path)}" cannot be read: {error.strerror}.', code="E404"
        ) from error
    except zipfile.BadZipFile as error:
        # torch also knows two older formats; neither is one that mixcli writes.
        raise unsafe from error
    except pickle.UnpicklingError as error:
        raise _unsafe(path, _foreign_names(path)) from error
    except (RuntimeError, ValueError, KeyError, TypeError, IndexError, EOFError, AttributeError) as error:
        raise _damaged(path, "not a checkpoint that can be read") from error


def _foreign_names(path: Path) -> str:
    """Name what a checkpoint would have run or made, as far as it can be read without doing so."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # only names for a message; a hostile file may break the reading in any way
        return ""
    return printable(", ".join(name[:60] for name in names[:3]))


def _unsafe(path: Path, names: str) -> CheckpointError:
    within = f" ({names})" if names else ""
    message = f'"{display_name(path)}" holds more than weights{within}; not loaded.'
    hint = "export its weights as .safetensors where it was made."
    return CheckpointError(message, code="E403", hint=hint)


def _damaged(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f'"{display_name(path)}" is damaged or of another model: {reason}.', code="E404")
