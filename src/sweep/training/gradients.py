"""The sum of the ranks' gradients, in buckets that are sent while the backward pass still runs.

A step has several forward and backward passes (sub-batches, gradient caching, several batches), needs the sum and not
the mean, and models have parameters that no loss reaches. torch's DistributedDataParallel expects a forward pass for
each backward pass, divides by the number of ranks, and looks for unused parameters in the graph of the last forward
pass alone: hence these lines of our own, over the same collective call.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn

BUCKET_BYTES = 25 * 2**20  # as in Li et al. 2020, arXiv 2006.15704, section 3.2.3


class _Sent(NamedTuple):
    """A bucket on its way: all of its gradients one after another, and the collective call that adds them up."""

    flat_n: Tensor
    work: torch.distributed.Work


class GradientSum:
    """Adds up the gradients of `parameters` over all ranks; with one rank it does nothing.

    A bucket holds parameters of one type next to each other, from the last that was registered to the first, since
    gradients come about in that order. It is sent once all of its parameters have their gradients in the step's last
    backward pass; one that lacked some on any rank in the step before (no loss reaches them) waits for the end of the
    pass. So all ranks send the same buckets in the same order, and the buckets are the same in every step: for a
    number of ranks the sums are the same to the bit, wherever a training was interrupted.

    A bucket takes the place of its gradients, so that there is no second copy of all of them.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], ranks: int, bucket_bytes: int = BUCKET_BYTES) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad] if ranks > 1 else []
        self._buckets = _buckets(trained, bucket_bytes)
        self._early = list(range(len(self._buckets)))  # numbers of the buckets that need not wait, ascending
        self._last_pass = False
        self._lacking: list[set[nn.Parameter]] = []
        self._sent: dict[int, _Sent] = {}
        self._hooks = [
            parameter.register_post_accumulate_grad_hook(partial(self._take, number))  # type: ignore[no-untyped-call]
            for number, bucket in enumerate(self._buckets)
            for parameter in bucket
        ]
        self._forget()

    @property
    def sent(self) -> int:
        """How many buckets of this step are on their way."""
        return len(self._sent)

    @contextmanager
    def last_pass(self) -> Iterator[None]:
        """The step's last backward pass: gradients are final, and may be sent."""
        self._last_pass = True
        try:
            yield
        finally:
            self._last_pass = False

    def finish(self) -> None:
        """Wait until every gradient is the sum over all ranks, the same on each of them. A parameter has none if it
        has none on any rank."""
        if not self._buckets:
            return
        late = [number for number in range(len(self._buckets)) if number not in self._early]
        for number in (*self._early, *late):
            if number not in self._sent:
                self._send(number)
        used, lacking = self._agree()
        for number, bucket in enumerate(self._buckets):
            flat_n, work = self._sent[number]
            work.wait()
            for parameter, part in zip(bucket, _parts(flat_n, bucket), strict=True):
                parameter.grad = part if parameter in used else None
        self._early = [number for number in range(len(self._buckets)) if number not in lacking]
        self._forget()

    def close(self) -> None:
        """Leave the parameters alone from now on."""
        for hook in self._hooks:
            hook.remove()
        self._buckets, self._hooks = [], []

    def _forget(self) -> None:
        self._sent = {}
        self._lacking = [set(bucket) for bucket in self._buckets]
        self._used: set[nn.Parameter] = set()

    def _take(self, number: int, parameter: nn.Parameter) -> None:
        """A gradient is there; send what can be sent."""
        if number in self._sent:
            raise RuntimeError("a gradient came after its bucket had been sent: a parameter is in one pass twice")
        if not self._last_pass:
            return
        self._lacking[number].discard(parameter)
        for early in self._early:
            if early in self._sent:
                continue
            if self._lacking[early]:
                return
            self._send(early)

    def _send(self, number: int) -> None:
        bucket = self._buckets[number]
        self._used.update(parameter for parameter in bucket if parameter.grad is not None)
        parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in bucket]
        flat_n = parts[0].reshape(-1) if len(parts) == 1 else torch.cat([part.reshape(-1) for part in parts])
        del parts
        for parameter, part in zip(bucket, _parts(flat_n, bucket), strict=True):
            parameter.grad = part  # the gradient that it had is free now
        work = torch.distributed.all_reduce(flat_n, async_op=True)
        assert work is not None
        self._sent[number] = _Sent(flat_n, work)

    def _agree(self) -> tuple[set[nn.Parameter], set[int]]:
        """Parameters that have a gradient on any rank, and buckets that lacked one on any rank in the last pass."""
        parameters = [parameter for bucket in self._buckets for parameter in bucket]
        own = [parameter in self._used for parameter in parameters] + [bool(lacking) for lacking in self._lacking]
        flags_n = torch.tensor(own, dtype=torch.uint8, device=parameters[0].device)
        torch.distributed.all_reduce(flags_n, torch.distributed.ReduceOp.MAX)
        flags = flags_n.tolist()
        used = {parameter for parameter, flag in zip(parameters, flags, strict=False) if flag}
        return used, {number for number, flag in enumerate(flags[len(parameters) :]) if flag}


def _buckets(parameters: list[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    """Neighbours of one type on one device, from the last to the first; a larger parameter is alone."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in reversed(parameters):
        last = buckets[-1][-1] if buckets else None
        alike = last is not None and (last.dtype, last.device) == (parameter.dtype, parameter.device)
        if not alike or parameter.nbytes > room:
            buckets.append([])
            room = bucket_bytes
        buckets[-1].append(parameter)
        room -= parameter.nbytes
    return buckets


def _parts(flat_n: Tensor, bucket: list[nn.Parameter]) -> Iterator[Tensor]:
    """A bucket's parts, each in the shape of its parameter."""
    parts = torch.split(flat_n, [parameter.numel() for parameter in bucket])
    return (part.view_as(parameter) for part, parameter in zip(parts, bucket, strict=True))
