"""Folding surround files to stereo."""

import numpy as np
from numpy.typing import NDArray

# ITU-R BS.775-4 annex 4, 3/2 to 2/0: centre and surrounds at -3 dB, the LFE left out. Channels as in WAV
# and FLAC: left, right, centre, LFE, left surround, right surround.
MINUS_3_DB = np.float32(0.5**0.5)
SURROUND_5_1 = ((0, 2, 4), (1, 2, 5))


def fold_to_stereo(block_TC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fold a block of three or more channels to left and right, [T, 2]; sums may pass full scale.

    Six channels are taken as 5.1 and folded by ITU-R BS.775. With any other number the 1st, 3rd, 5th …
    channels are averaged to the left, the 2nd, 4th … to the right; the last of an odd number goes to both.
    """
    n_channels = block_TC.shape[1]
    # Sums are written out channel by channel: a matrix product may round differently for other block sizes.
    if n_channels == 6:
        sides = [
            block_TC[:, front] + MINUS_3_DB * block_TC[:, centre] + MINUS_3_DB * block_TC[:, surround]
            for front, centre, surround in SURROUND_5_1
        ]
        return np.stack(sides, axis=1)
    paired = n_channels - n_channels % 2
    stereo_TC = np.zeros((len(block_TC), 2), np.float32)
    for channel in range(paired):
        stereo_TC[:, channel % 2] += block_TC[:, channel]
    for channel in range(paired, n_channels):
        stereo_TC += block_TC[:, channel : channel + 1]
    return stereo_TC / np.float32(paired // 2 + n_channels % 2)
