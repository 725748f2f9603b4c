"""What a network runs on."""

import os

import torch

from mixcli.errors import DeviceError

VISIBLE = "CUDA_VISIBLE_DEVICES"


def choose_device(wanted: str, *, local_rank: int = 0) -> torch.device:
    """The device named `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; auto takes a CUDA device where there is one.

    With several processes each takes the device of its number. Raises DeviceError E601.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and torch.cuda.is_available():
        wanted = f"cuda:{local_rank if local_rank < torch.cuda.device_count() else 0}"
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        message = f'no device "{wanted}": this torch is {torch.__version__}.'
        raise DeviceError(message, code="E601", hint="--device cpu, or see mixcli doctor.") from error
    return device


def cuda_devices() -> tuple[str, ...]:
    """The CUDA devices that this process may use, by the names that CUDA_VISIBLE_DEVICES takes.

    Raises DeviceError E601 where there is none.
    """
    n_devices = torch.cuda.device_count()  # without work for any of them
    if not n_devices:
        message = f'no device "cuda": this torch is {torch.__version__}.'
        raise DeviceError(message, code="E601", hint="--device cpu, or see mixcli doctor.")
    named = [name.strip() for name in os.environ.get(VISIBLE, "").split(",")]
    return tuple(named[:n_devices]) if all(named) else tuple(map(str, range(n_devices)))
