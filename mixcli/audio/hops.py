"""The hop, the step of time in which compressors and expanders look at a level."""

HOP_MS = 0.25


def control_hop(sample_rate: int) -> int:
    """The samples of one hop, at least 1."""
    return max(1, round(HOP_MS * 1e-3 * sample_rate))


def hops_in(time_ms: float, sample_rate: int) -> int:
    """The whole number of hops nearest to a time."""
    return round(time_ms * 1e-3 * sample_rate / control_hop(sample_rate))
