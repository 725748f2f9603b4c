"""What a network is trained on."""

import os
import shutil

import torch

from mixcli.errors import DeviceError


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


def refuse_without_compiler(device: torch.device) -> None:
    """Raise DeviceError E605 where torch would find no compiler for this device."""
    found = any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++", "cl"))
    if device.type == "cpu" and not found:
        message = "--compile needs a C++ compiler, and there is none."
        raise DeviceError(message, code="E605", hint="without --compile.")


def use_threads(n_threads: int | None) -> None:
    """Compute with so many threads; None leaves it to torch. Sums keep their order on GPUs too."""
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
