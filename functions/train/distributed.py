"""Several processes, on one machine or on many, that train one network.

torchrun starts them and tells each its place by RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed, nn

from failure import TrainingFailed

# A process that has not been heard of for so long is taken for lost.
TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees them.

    rank: 0 to size - 1. size: how many. device: on which this one computes.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def share(self, batch: torch.Tensor) -> torch.Tensor:
        """The part of a batch's rows that is this process's; the parts are disjoint, and together the batch."""
        return batch[self.rank :: self.size]

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, with gradients that are the mean of those of all processes."""
        if self.size == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    def sum(self, *numbers: float) -> list[float]:
        """The sum over all processes of each number; the same in all of them."""
        if self.size == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return sums.tolist()

    def all(self, value: Any) -> list[Any]:
        """The value of each process, by rank."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values


@contextmanager
def joined() -> Iterator[Group]:
    """The group that torchrun has started this process for; of one process without it.

    NCCL between GPUs, gloo between CPUs. Raises TrainingFailed when another process is lost.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    has_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_gpu else torch.device("cpu")
    if size == 1:
        yield Group(device=device)
        return
    interface = os.environ.get("SM_NETWORK_INTERFACE_NAME")
    if interface:
        # gloo would take the address that the host's name resolves to, which on SageMaker is no host's.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)
    if has_gpu:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if has_gpu else "gloo", timeout=TIMEOUT)
        try:
            yield Group(distributed.get_rank(), size, device)
        finally:
            distributed.destroy_process_group()
    except RuntimeError as error:
        # gloo has no class of its own for a peer that is gone; its messages name its source files.
        if not isinstance(error, distributed.DistError) and "/gloo/" not in str(error):
            raise
        raise TrainingFailed(
            "a process that trains along was lost, or could not be reached; all of them have to be started again"
        ) from error
