"""What training asks of the machine."""

import os
import shutil

import torch

from mixcli.errors import DeviceError


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
