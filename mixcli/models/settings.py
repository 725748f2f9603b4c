"""What makes a model's weights mean something: its network, its inputs in order, its rate. Loads no torch."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from mixcli.songs.roles import BUSES, ROLES

SIDES = ("L", "R")

# The inputs of a network that works behind the console: the buses in order, each left and right, then the
# mix.
BUS_INPUTS: tuple[str, ...] = tuple(
    f"{source}:{side}" for source in (*(f"bus:{bus}" for bus in BUSES), "mix") for side in SIDES
)

# The drum microphones of the paper, in its order.
PAPER_INPUTS: tuple[str, ...] = (
    *("drums.hihat", "drums.kick", "drums.overhead:L", "drums.overhead:R", "drums.snare"),
    *("drums.tom:1", "drums.tom:2", "drums.tom:3"),
)

# The same microphones in the order of automix-toolkit's drum models.
TOOLKIT_INPUTS: tuple[str, ...] = (
    *("drums.kick", "drums.snare", "drums.hihat", "drums.overhead:L", "drums.overhead:R"),
    *("drums.tom:1", "drums.tom:2", "drums.tom:3"),
)

MAX_INPUTS = 256
MAX_GRID = 65_536  # samples between two frames of a bottleneck
MAX_FEATURES = 8_192

Kernel = Annotated[int, Field(ge=1, le=255)]


class ModelPart(BaseModel):
    """Every part of a model's settings refuses unknown keys and other types, and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MixWaveUNetSettings(ModelPart):
    """The arguments of MixWaveUNet beside its inputs and outputs; as they stand here, the paper's network."""

    depth: int = Field(10, ge=1, le=16)
    channel_growth: int = Field(24, ge=1, le=256)
    down_kernel: Kernel = 15
    up_kernel: Kernel = 5
    bottleneck_kernel: Kernel = 15
    output_kernel: Kernel = 1
    downsampling: Literal["decimate", "strided", "filtered"] = "decimate"
    upsampling: Literal["linear", "learned", "nearest", "filtered"] = "linear"
    padding: Literal["valid", "same"] = "valid"
    bias: bool = True
    negative_slope: float = Field(0.2, ge=0, le=1)
    output_activation: Literal["linear", "tanh"] = "linear"
    head: Literal["mix", "gains"] = "mix"

    @model_validator(mode="after")
    def _kernels_have_a_middle(self) -> Self:
        kernels = (self.down_kernel, self.up_kernel, self.bottleneck_kernel, self.output_kernel)
        if any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError("kernels must have an odd number of taps")
        if self.downsampling == "strided" and self.down_kernel < 3:
            raise ValueError("a strided halving needs a down_kernel of 3 or more")
        if self.head == "gains" and self.output_kernel > 1:
            raise ValueError('head "gains" needs an output_kernel of 1')
        return self


class ToolkitSettings(ModelPart):
    """The arguments of ToolkitWaveUNet beside its inputs and outputs; as they stand, automix-toolkit's."""

    depth: int = Field(12, ge=1, le=16)
    channel_growth: int = Field(24, ge=1, le=256)
    down_kernel: Kernel = 13
    up_kernel: Kernel = 13
    output_kernel: Kernel = 5

    @model_validator(mode="after")
    def _kernels_have_a_middle(self) -> Self:
        if any(kernel % 2 == 0 for kernel in (self.down_kernel, self.up_kernel, self.output_kernel)):
            raise ValueError("kernels must have an odd number of taps")
        if self.down_kernel < 3:
            raise ValueError("a strided halving needs a down_kernel of 3 or more")
        return self


class MixDemucsSettings(ModelPart):
    """The arguments of MixDemucs beside its inputs and outputs."""

    depth: int = Field(5, ge=1, le=8)
    channels: int = Field(32, ge=1, le=1024)
    channel_factor: int = Field(2, ge=1, le=4)
    kernel: Kernel = 8
    stride: int = Field(4, ge=2, le=16)
    decoder_kernel: Kernel = 3
    lstm_layers: int = Field(2, ge=0, le=4)
    rescale: float = Field(0.1, gt=0, le=10)
    direct_path: bool = False

    @model_validator(mode="after")
    def _layers_fit_together(self) -> Self:
        if self.kernel < self.stride or self.decoder_kernel % 2 == 0:
            raise ValueError("kernel must be at least the stride, and decoder_kernel odd")
        if self.stride**self.depth > MAX_GRID:
            raise ValueError(f"stride to the power of depth must be at most {MAX_GRID}")
        if self.channels * self.channel_factor ** (self.depth - 1) > MAX_FEATURES:
            raise ValueError(f"the deepest level may have at most {MAX_FEATURES} channels")
        return self


Layout = Literal["mix_wave_u_net", "toolkit", "mix_demucs"]
NetworkSettings = MixWaveUNetSettings | ToolkitSettings | MixDemucsSettings

NETWORKS: dict[Layout, type[NetworkSettings]] = {
    "mix_wave_u_net": MixWaveUNetSettings,
    "toolkit": ToolkitSettings,
    "mix_demucs": MixDemucsSettings,
}


class ModelSettings(ModelPart):
    """What is stored beside the weights.

    `inputs` are in the order of the network's channels and of one kind. Behind the console they are
    BUS_INPUTS: "bus:kick:L" … "mix:R". A network that mixes stems directly names roles: "drums.kick" (all
    stems of the role, summed, as mono), "drums.overhead:L" and ":R" (the sides), "drums.tom:1", ":2" … (one
    stem each, in the order of their names). `outputs` says what comes out: "mix" is left and right,
    "residual" a left and right for each bus, to be added to it; the latter needs BUS_INPUTS. `data` states
    what the weights were trained on. `layout` says which class of networks it is, `network` its arguments.
    `input_peak_dbfs` is the peak that each input of a song is brought to before the network hears it (one
    gain per input for the whole song; silence stays silent), `input_loud_dbfs` the level of its loud moments;
    None leaves the inputs as they are.
    """

    layout: Layout = "mix_wave_u_net"
    inputs: tuple[str, ...] = Field(min_length=1, max_length=MAX_INPUTS, strict=False)
    outputs: Literal["mix", "residual"] = "mix"
    sample_rate: int = Field(44_100, ge=8_000, le=384_000)
    network: NetworkSettings = Field(
        default_factory=lambda values: NETWORKS[values.get("layout", "mix_wave_u_net")]()
    )
    input_peak_dbfs: float | None = Field(None, ge=-60, le=0)
    input_loud_dbfs: float | None = Field(None, ge=-60, le=0)
    licence: str = Field("not stated", min_length=1, max_length=1_000)
    data: str = Field("not stated", min_length=1, max_length=20_000)

    @field_validator("network", mode="before")
    @classmethod
    def _network_is_of_the_layout(cls, value: Any, info: ValidationInfo) -> NetworkSettings:
        return NETWORKS[info.data.get("layout", "mix_wave_u_net")].model_validate(value)

    @model_validator(mode="after")
    def _inputs_belong_together(self) -> Self:
        as_they_are = self.input_peak_dbfs is None and self.input_loud_dbfs is None
        if not as_they_are and None not in (self.input_peak_dbfs, self.input_loud_dbfs):
            raise ValueError("inputs are brought to a peak or to a loud level, not to both")
        behind_console = self.layout == "mix_wave_u_net" and as_they_are
        if self.outputs == "residual" and not behind_console:
            raise ValueError('outputs "residual" need the layout "mix_wave_u_net", and inputs as they are')
        if self.inputs != BUS_INPUTS:
            if self.outputs == "residual":
                raise ValueError('outputs "residual" need the inputs of all buses and the mix, in order')
            check_role_inputs(self.inputs)
        elif self.outputs == "mix":
            raise ValueError('inputs of buses need the outputs "residual"')
        return self

    @property
    def n_inputs(self) -> int:
        """Channels into the network."""
        return len(self.inputs)

    @property
    def n_outputs(self) -> int:
        """Channels out of the network."""
        return 2 * len(BUSES) if self.outputs == "residual" else 2

    @property
    def takes_buses(self) -> bool:
        """Whether the network works behind the console."""
        return self.inputs == BUS_INPUTS


def split_input(name: str) -> tuple[str, str]:
    """Split the name of an input into its role and its part: "L", "R", a number from 1, or nothing."""
    role, _, part = name.partition(":")
    return role, part


def check_role_inputs(inputs: tuple[str, ...]) -> None:
    """Refuse inputs that are not roles, come twice, or miss their counterparts. Raises ValueError."""
    if len(set(inputs)) != len(inputs):
        raise ValueError("an input is named twice")
    parts: dict[str, list[str]] = {}
    for name in inputs:
        role, part = split_input(name)
        if role not in ROLES or not re.fullmatch(r"|L|R|[1-9][0-9]?", part):
            raise ValueError(f"{name[:60]!r} is not an input: a role, a role with :L or :R, or with a number")
        parts.setdefault(role, []).append(part)
    for role, found in parts.items():
        numbers = sorted(int(part) for part in found if part.isdigit())
        whole = sorted(found) in ([""], ["L", "R"]) or numbers == list(range(1, len(found) + 1))
        if not whole:
            raise ValueError(f'the inputs of "{role}" must be one, or :L and :R, or numbered from :1')


PAPER = ModelSettings(inputs=PAPER_INPUTS)

TOOLKIT = ModelSettings(layout="toolkit", inputs=TOOLKIT_INPUTS, input_peak_dbfs=-12.0)

DEMUCS = ModelSettings(layout="mix_demucs", inputs=PAPER_INPUTS)

BASE = ModelSettings(
    inputs=BUS_INPUTS,
    outputs="residual",
    network=MixWaveUNetSettings(
        depth=8, channel_growth=16, downsampling="filtered", upsampling="filtered", bias=False
    ),
)
