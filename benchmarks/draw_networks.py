"""Draws the pictures of docs/model.md from the networks themselves: their widths, kernels and rates.

    python benchmarks/draw_networks.py [FOLDER]

The default folder is docs/pictures. The same code draws the same bytes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from svg_card import HEIGHT, MUTED, WIDTH, Picture

from mixcli.engine.windows import OVERLAP, WINDOW
from mixcli.models.settings import BASE, DEMUCS, PAPER, TOOLKIT, ModelSettings

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
DOWN, MIDDLE, UP, SOUND = "#dbeafe", "#fde68a", "#dcfce7", "#f3e8ff"
BOX, STEP, INDENT = 170, 38, 18


def draw_u(
    title: str,
    settings: ModelSettings,
    widths: Sequence[int],
    factor: int,
    middle: str,
    skip: str,
    chains: Sequence[tuple[str, Sequence[str], str]],
    *,
    direct: str | None,
    level_rates: int = 0,
) -> Picture:
    """A network as the U it is named for: rates fall to the bottom and rise again, skips go across.

    The first level works at the rate of the sound, divided by `factor` `level_rates` times.
    """
    depth = len(widths)
    top = 108
    picture = Picture(top + STEP * depth + 76 + 40 * len(chains), title)
    picture.text(WIDTH / 2, 30, title, size=17)
    left, right = [40 + INDENT * level for level in range(depth)], []
    inputs, outputs = f"{settings.n_inputs} inputs", f"{settings.n_outputs} outputs"
    picture.box(left[0], 56, BOX, f"{inputs}, {settings.sample_rate:,} Hz", SOUND)
    picture.box(WIDTH - left[0] - BOX, 56, BOX, f"{outputs}, {settings.sample_rate:,} Hz", SOUND)
    if direct is not None:
        picture.arrow((left[0] + BOX + 4, 69), (WIDTH - left[0] - BOX - 4, 69), dashed=True)
        picture.text(WIDTH / 2, 63, direct, colour=MUTED, size=12)
    for level, width in enumerate(widths):
        y = top + STEP * level
        right.append(WIDTH - left[level] - BOX)
        rate = settings.sample_rate / factor ** (level + level_rates)
        words = f"{width} channels, {rate:,.0f} Hz"
        picture.box(left[level], y, BOX, words, DOWN)
        picture.box(right[level], y, BOX, words, UP)
        picture.arrow(
            (left[level] + BOX + 4, y + HEIGHT / 2), (right[level] - 4, y + HEIGHT / 2), dashed=True
        )
        above = y - STEP + HEIGHT if level else 56 + HEIGHT
        picture.arrow((left[level] + 14, above + 1), (left[level] + 14, y - 2))
        picture.arrow((right[level] + BOX - 14, y - 2), (right[level] + BOX - 14, above + 2))
    picture.text(WIDTH / 2, top + 6, skip, colour=MUTED, size=12)
    y = top + STEP * depth
    middle_width = 7.0 * len(middle) + 40
    picture.box((WIDTH - middle_width) / 2, y + 14, middle_width, middle, MIDDLE)
    bottom = y - STEP + HEIGHT
    picture.arrow(
        (left[-1] + 40, bottom + 1),
        (left[-1] + 40, y + 27),
        ((WIDTH - middle_width) / 2 - 3, y + 27),
    )
    picture.arrow(
        ((WIDTH + middle_width) / 2 + 1, y + 27),
        (right[-1] + BOX - 40, y + 27),
        (right[-1] + BOX - 40, bottom + 2),
    )
    for number, (label, steps, colour) in enumerate(chains):
        picture.chain(y + 66 + 40 * number, label, steps, colour)
    return picture


def draw_wave_u_net(title: str, settings: ModelSettings) -> Picture:
    network = settings.network
    halving = {"decimate": "every 2nd sample", "strided": "conv, stride 2", "filtered": "half-band, ÷2"}
    doubling = {"linear": "linear, ×2", "learned": "learned, ×2", "nearest": "nearest, ×2"}
    rectifier = f"LeakyReLU {network.negative_slope:g}"
    down = [f"conv {network.down_kernel}", rectifier, "skip goes across", halving[network.downsampling]]
    up = [
        doubling.get(network.upsampling, "half-band, ×2"),
        "skip cut and joined",
        f"conv {network.up_kernel}",
    ]
    growth = network.channel_growth
    deepest, slowest = growth * (network.depth + 1), settings.sample_rate / 2**network.depth
    return draw_u(
        title,
        settings,
        [growth * (level + 1) for level in range(network.depth)],
        2,
        f"conv {network.bottleneck_kernel}, {deepest} channels, {rectifier}, {slowest:,.0f} Hz",
        "skips, cut to length and joined",
        [
            ("a level down", down, DOWN),
            ("a level up", [*up, rectifier], UP),
            ("at the end", ["inputs cut and joined", f"conv {network.output_kernel}"], SOUND),
        ],
        direct="the inputs themselves reach the last layer",
    )


def draw_toolkit() -> Picture:
    network = TOOLKIT.network
    growth = network.channel_growth
    rest = ["batch norm", "PReLU per channel"]
    return draw_u(
        "toolkit: the Mix-Wave-U-Net of automix-toolkit",
        TOOLKIT,
        [growth * (level + 1) for level in range(network.depth)],
        2,
        f"conv 1, {growth * network.depth} channels, {TOOLKIT.sample_rate / 2**network.depth:.0f} Hz",
        "skips, joined",
        [
            (
                "a level down",
                [f"conv {network.down_kernel}", *rest, "skip goes across", "conv, stride 2"],
                DOWN,
            ),
            ("a level up", ["nearest, ×2", "skip joined", f"conv {network.up_kernel}", *rest], UP),
            ("at the end", ["inputs joined", f"conv {network.output_kernel}"], SOUND),
        ],
        direct="the inputs themselves reach the last layer",
    )


def draw_demucs() -> Picture:
    network = DEMUCS.network
    widths = [network.channels * network.channel_factor**level for level in range(network.depth)]
    return draw_u(
        "mix_demucs: large steps, and a memory in the middle",
        DEMUCS,
        widths,
        network.stride,
        f"LSTM in both directions, {network.lstm_layers} layers of {widths[-1]}",
        "skips, added",
        [
            (
                "a level down",
                [
                    f"conv {network.kernel}, stride {network.stride}",
                    "ReLU",
                    "conv 1",
                    "GLU",
                    "skip goes across",
                ],
                DOWN,
            ),
            (
                "a level up",
                [
                    "skip added",
                    f"conv {network.decoder_kernel}",
                    "GLU",
                    f"conv back {network.kernel}, ×4",
                    "ReLU",
                ],
                UP,
            ),
        ],
        direct=None,
        level_rates=1,  # what a level gives out
    )


def draw_console() -> Picture:
    picture = Picture(250, "base: a network behind the console")
    picture.text(WIDTH / 2, 30, "base: the console makes the mix, the network adds to its buses", size=17)
    y = 90
    picture.box(40, y, 110, "stems", SOUND)
    picture.box(200, y, 130, "console", DOWN)
    picture.box(390, y, 150, "8 buses, 1 mix", SOUND)
    picture.box(620, y, 60, "sum", DOWN)
    picture.box(740, y, 80, "master", DOWN)
    picture.box(870, y, 60, "mix", SOUND)
    middle = y + HEIGHT / 2
    for start, stop in ((150, 200), (330, 390), (540, 620), (680, 740), (820, 870)):
        picture.arrow((start + 2, middle), (stop - 3, middle))
    low = y + 90
    network = BASE.network
    name = f"Wave-U-Net, {network.depth} levels, {BASE.n_inputs} in, {BASE.n_outputs} out"
    picture.box(180, low, 300, name, MIDDLE)
    picture.box(530, low, 240, "bound: 6 dB below each bus", UP)
    picture.arrow((420, y + HEIGHT + 2), (420, low - 3))
    picture.arrow((482, low + HEIGHT / 2), (527, low + HEIGHT / 2))
    picture.arrow((650, low - 1), (650, y + HEIGHT + 3))
    picture.text(662, y + 66, "8 residuals, times --amount", colour=MUTED, anchor="start", size=12)
    picture.text(
        40,
        low + 62,
        "Silence stays silence, twice the input is twice the output, and at amount 0 nothing is added.",
        colour=MUTED,
        anchor="start",
    )
    return picture


def draw_windows() -> Picture:
    """How a network with a memory goes through a song: windows that overlap, one faded into the next."""
    picture = Picture(240, "windows of the layout mix_demucs")
    picture.text(WIDTH / 2, 30, "mix_demucs: windows that overlap, one faded into the next", size=17)
    scale = 300 / WINDOW
    window, overlap = WINDOW * scale, OVERLAP * scale
    for number, colour in enumerate((DOWN, UP, MIDDLE)):
        x = 60 + number * (window - overlap)
        rise = overlap if number else 0
        fall = overlap if number < 2 else 0
        picture.shape([(x, 150), (x + rise, 80), (x + window - fall, 80), (x + window, 150)], colour)
        picture.text(x + window / 2, 120, f"window {number + 1}")
    rate = DEMUCS.sample_rate
    picture.arrow((60, 172), (60 + 3 * window - 2 * overlap, 172))
    picture.text(60, 192, "the song", colour=MUTED, anchor="start")
    words = f"{WINDOW:,} samples each ({WINDOW / rate:.1f} s), {OVERLAP:,} in common ({OVERLAP / rate:.1f} s)"
    picture.text(60 + (3 * window - 2 * overlap) / 2, 192, words, colour=MUTED)
    picture.text(
        60,
        218,
        "Every window also hears as much around it as its convolutions reach.",
        colour=MUTED,
        anchor="start",
    )
    return picture


def draw_all(folder: Path) -> list[Path]:
    """Write all pictures; returns their paths."""
    pictures = {
        "network-paper": draw_wave_u_net("paper: the Mix-Wave-U-Net", PAPER),
        "network-base": draw_wave_u_net("base: the network behind the console", BASE),
        "network-toolkit": draw_toolkit(),
        "network-demucs": draw_demucs(),
        "behind-the-console": draw_console(),
        "network-windows": draw_windows(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / f"{name}.svg").write_text(str(picture), encoding="utf-8")
    return [folder / f"{name}.svg" for name in pictures]


if __name__ == "__main__":
    for path in draw_all(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER):
        print(path)
