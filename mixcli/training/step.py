"""One step of training: forward, backward, and a check that all is finite before a weight is touched.

Letters: B batch, K inputs, C = 2 channels, T samples.
"""

from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mixcli.audio.wording import clock_time, printable
from mixcli.errors import DeviceError, TrainingError
from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.batches import Batch, Batches
from mixcli.training.objective import loss_per_piece, make_mix
from mixcli.training.processes import Processes
from mixcli.training.schedule import step_size
from mixcli.training.state import State
from mixcli.training.validation import within

HINT = "a smaller --lr; listen to that place, or leave the song out with --exclude."


@dataclass(frozen=True, kw_only=True)
class Stepper:
    """Takes steps. `module` is the network as it is called: compiled or shared among processes."""

    module: nn.Module
    batches: Batches
    model: ModelSettings
    settings: TrainSettings
    processes: Processes
    device: torch.device
    precision: str

    def take(self, state: State, batch: Batch) -> tuple[float, float, float]:
        """Take a step; returns the batch's loss before it, the step's size and the gradient's norm.

        Raises TrainingError E801 or E802 before the weights change if the loss or its gradient is not
        finite, DeviceError E602 if memory runs out.
        """
        try:
            losses_B = self._backward(batch)
            limit = self.settings.clip if self.settings.clip is not None else float("inf")
            norm = float(nn.utils.clip_grad_norm_(state.network.parameters(), limit))
            loss = float(losses_B.mean())
            if not norm < float("inf"):
                raise TrainingError(
                    f"step {batch.step + 1}: the loss is {loss:.4g} but its gradient is not finite; "
                    f"the batch: {self._places(batch, range(len(batch.pieces)))}.",
                    code="E802",
                    hint=HINT,
                )
            size = step_size(self.settings, batch.step, stage=state.progress.stage)
            for group in state.optimizer.param_groups:
                group["lr"] = size
            state.optimizer.step()
            state.optimizer.zero_grad(set_to_none=True)
        except torch.OutOfMemoryError as error:
            message = f"out of memory on {self.device} with {len(batch.indices)} pieces at once."
            hint = "--set train.accumulate=2 (or 4, 8), or a smaller --batch-size."
            raise DeviceError(message, code="E602", hint=hint) from error
        return loss, size, norm

    def compute(self, network: nn.Module, inputs_BKT: Tensor) -> Tensor:
        """Run a network, in 16-bit floats where that is asked for; the output has 32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            output_BCT: Tensor = network(inputs_BKT)
        return output_BCT.float()

    def _backward(self, batch: Batch) -> Tensor:
        """Add up the gradients of all parts of a batch; returns the losses of all pieces of all processes."""
        n_parts, n_mine = self.settings.accumulate, len(batch.indices)
        losses_B = torch.zeros(len(batch.pieces), device=self.device)
        for part in range(n_parts):
            chosen = slice(part * n_mine // n_parts, (part + 1) * n_mine // n_parts)
            inputs_BKT = batch.inputs_BKT[chosen].to(self.device, non_blocking=True)
            target_BCT = batch.target_BCT[chosen].to(self.device, non_blocking=True)
            with ExitStack() as stack:
                if isinstance(self.module, DistributedDataParallel) and part < n_parts - 1:
                    stack.enter_context(self.module.no_sync())
                else:
                    stack.enter_context(nullcontext())
                output_BCT = self.compute(self.module, inputs_BKT)
                made = make_mix(output_BCT, within(inputs_BKT, self.batches.shape), self.model)
                part_B = loss_per_piece(made, target_BCT, self.settings)
                indices = torch.tensor(batch.indices[chosen], device=self.device)
                here_B = torch.zeros_like(losses_B).index_copy(0, indices, part_B.detach().float())
                here_B = self.processes.total(here_B)  # so that all of them stop if one has to
                self._check(batch, here_B)
                losses_B += here_B
                torch.autograd.backward(part_B.sum() / n_mine)
        return losses_B

    def _check(self, batch: Batch, losses_B: Tensor) -> None:
        bad = torch.nonzero(~torch.isfinite(losses_B)).flatten().tolist()
        if bad:
            raise TrainingError(
                f"step {batch.step + 1}: the loss is not a number at {self._places(batch, bad)}.",
                code="E801",
                hint=HINT,
            )

    def _places(self, batch: Batch, indices: range | list[int]) -> str:
        """Songs and times of pieces, the first few."""
        names = []
        for index in list(indices)[:4]:
            piece = batch.pieces[index]
            song = self.batches.songs[piece.song]
            names.append(f'"{printable(song.name)}" {clock_time(piece.start / song.sample_rate, decimals=1)}')
        return ", ".join(names) + (", …" if len(indices) > 4 else "")
