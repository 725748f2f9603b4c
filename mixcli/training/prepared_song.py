"""What training draws from: songs as a network sees them, and what they should have become.

Letters: K inputs of the network, C = 2 channels, T samples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.dataset_song import Part


@dataclass(frozen=True, kw_only=True)
class PreparedSong:
    """One song, prepared once: float32 at the model's rate, usually memory-mapped; never written to.

    `inputs_KT` is exactly what mixing feeds the network, from the song's first sample on; `target_CT` is the
    human mix beside it, sample by sample, as long as the inputs. `group` (artist, drummer, session) is what
    may not lie on both sides of a split.
    """

    name: str
    group: str
    part: Part
    sample_rate: int
    inputs_KT: NDArray[np.float32]
    target_CT: NDArray[np.float32]

    @property
    def n_samples(self) -> int:
        """Samples per input."""
        return int(self.inputs_KT.shape[1])
