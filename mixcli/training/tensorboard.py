"""What a run tells TensorBoard, where that is installed: losses, mixes to hear, and their spectrograms.

Letters: C = 2 channels, T samples, N frequencies, M frames.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mixcli.errors import SettingsError
from mixcli.training.losses import magnitudes
from mixcli.training.request import Stepped, Validated

LOWEST_DB, HIGHEST_DB = -80.0, 20.0  # of a spectrogram's black and white
FFT = 1024


class Board:
    """Writes events for TensorBoard."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def step(self, stepped: Stepped) -> None:
        """A point of the training curve."""
        self._writer.add_scalar("training/loss", stepped.loss, stepped.step)
        self._writer.add_scalar("training/lr", stepped.lr, stepped.step)
        self._writer.add_scalar("training/gradient", stepped.gradient, stepped.step)

    def validation(self, validated: Validated) -> None:
        """The scores of a validation."""
        if validated.scores is None:
            return
        for name, value in validated.scores.document().items():
            if value is not None and name != "songs":
                self._writer.add_scalar(f"validation/{name}", value, validated.step)

    def sample(self, name: str, mix_CT: NDArray[np.float32], sample_rate: int, step: int) -> None:
        """A mix to hear, scaled to full scale, and its spectrogram."""
        mono_1T = torch.from_numpy(mix_CT).mean(dim=0, keepdim=True)
        peak = float(mono_1T.abs().max())
        self._writer.add_audio(name, mono_1T / max(peak, 1e-9), step, sample_rate)
        if mono_1T.shape[1] > FFT // 2:
            level_NM = 20 * magnitudes(mono_1T, FFT, FFT // 4)[0].log10()
            shade_NM = ((level_NM - LOWEST_DB) / (HIGHEST_DB - LOWEST_DB)).clamp(0, 1).flip(0)
            self._writer.add_image(f"{name} spectrogram", shade_NM[None], step)


@contextmanager
def open_board(folder: Path) -> Iterator[Board]:
    """A board that writes to a folder. Raises SettingsError E461 where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        message = "--log tensorboard needs TensorBoard, which is not installed."
        raise SettingsError(message, code="E461", hint='pip install "mixcli[train]"') from error
    writer = SummaryWriter(str(folder))
    try:
        yield Board(writer)
    finally:
        writer.close()
