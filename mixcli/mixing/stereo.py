"""What happens to a mix when its channels are added, as telephones and clubs do."""

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import Notice

MONO_LOSS_DB = 6.0  # a mix of uncorrelated sides loses 3 dB; more is cancellation


class StereoMeter:
    """Adds up the energies of a stereo mix and of its mono sum, over blocks [T, 2]."""

    def __init__(self) -> None:
        self._stereo = 0.0
        self._mono = 0.0

    def push(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples."""
        left_T, right_T = block_TC.T.astype(np.float64)
        self._stereo += float(np.square(left_T).sum() + np.square(right_T).sum()) / 2
        self._mono += float(np.square(left_T + right_T).sum()) / 4

    @property
    def mono_loss_db(self) -> float:
        """How much lower the mono sum (L+R)/2 is than the mean of both channels: 0 to infinity."""
        if self._stereo <= 0:
            return 0.0
        return float(-10 * np.log10(max(self._mono / self._stereo, 1e-20)))

    def notices(self) -> tuple[Notice, ...]:
        """A warning where much of the mix cancels in mono."""
        loss_db = self.mono_loss_db
        if loss_db < MONO_LOSS_DB:
            return ()
        lost = "nearly all" if loss_db > 60 else f"{loss_db:.0f} dB"
        message = (
            f"the mix loses {lost} in mono: stems cancel each other, or one is stereo in opposite polarity."
        )
        return (Notice("W343", message),)
