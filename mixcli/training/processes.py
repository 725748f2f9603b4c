"""The processes of one training (`torchrun`): who is who, and what they tell each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

LONGEST_WAIT = timedelta(hours=24)  # one process prepares the songs of a library while the others wait

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """The number of this process and how many there are; the first prints and writes."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.world_size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def gather(self, items: list[Item]) -> list[Item]:
        """The items of all processes, dealt round: each one's first, then each one's second, and so on."""
        if self.world_size == 1:
            return items
        lists: list[list[Item]] = [[] for _ in range(self.world_size)]
        dist.all_gather_object(lists, items)
        most = max(map(len, lists))
        return [each[index] for index in range(most) for each in lists if index < len(each)]

    def wait(self) -> None:
        """Wait for all."""
        if self.world_size > 1:
            dist.barrier()


def in_environment() -> Processes:
    """What `torchrun` says in the environment; without it this process is alone."""
    numbers = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
    if not all(number.isdigit() for number in numbers):
        return Processes()
    return Processes(*map(int, numbers))


@contextmanager
def joined(device_type: str) -> Iterator[Processes]:
    """The processes of this training, connected for the time of the block."""
    processes = in_environment()
    if processes.world_size < 2:
        yield Processes()
        return
    if device_type == "cuda":
        torch.cuda.set_device(processes.local_rank)
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo", timeout=LONGEST_WAIT)
    try:
        yield processes
    finally:
        dist.destroy_process_group()
