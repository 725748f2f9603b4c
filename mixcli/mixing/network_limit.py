"""A network's mix, held so near to the console's as the mixes lay that it learnt from.

Letters: T samples, C = 2 channels.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.apart import beyond, levelled_profile

STRETCH_S = 4.0
MOST_STRETCHES = 15  # spread over the song: a minute of it tells what it is like
STEPS = 6  # of halving: to a hundredth of the share

Sound = NDArray[np.float32]


class HeardApart:
    """Keeps stretches of the console's mix of a song and of the network's, spread evenly over it.

    A song of up to a minute is kept whole, of a longer one as much: memory does not grow with it.
    """

    def __init__(self, n_samples: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._n_stretch = round(STRETCH_S * sample_rate)
        n_stretches = -(-n_samples // self._n_stretch)
        kept = np.linspace(0, n_stretches - 1, min(n_stretches, MOST_STRETCHES)).round().astype(int)
        self._kept = set(kept.tolist())
        self._parts: list[tuple[Sound, Sound]] = []
        self._position = 0

    def push(self, console_TC: Sound, network_TC: Sound) -> None:
        """Take the next samples of both."""
        start = 0
        while start < len(console_TC):
            number, inside = divmod(self._position, self._n_stretch)
            stop = min(start + self._n_stretch - inside, len(console_TC))
            if number in self._kept:
                self._parts.append((console_TC[start:stop].copy(), network_TC[start:stop].copy()))
            self._position += stop - start
            start = stop

    def largest_share(
        self, share: float, network_gain: float, limits: dict[str, float]
    ) -> tuple[float, str, float]:
        """The largest share of the network, up to `share`, whose mix with the console's is within limits.

        With it the measure that was farthest beyond at `share`, and its distance there; "" and 0 where all
        were within. The mix is the crossfade of both, the network's with its gain.
        """
        if not self._parts:
            return share, "", 0.0
        console_TC, network_TC = (np.concatenate(parts) for parts in zip(*self._parts, strict=True))
        network_TC = network_TC * np.float32(network_gain)
        console = levelled_profile(console_TC, self._rate)

        def found(part: float) -> tuple[str, float] | None:
            mix_TC = (console_TC * max(0.0, 1 - part) + network_TC * part).astype(np.float32)
            return beyond(levelled_profile(mix_TC, self._rate), console, limits)

        worst = found(share)
        if worst is None:
            return share, "", 0.0
        within, without = 0.0, share
        for _ in range(STEPS):
            middle = (within + without) / 2
            within, without = (middle, without) if found(middle) is None else (within, middle)
        return within, *worst
