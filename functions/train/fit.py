"""Training: a loss, made small by gradient descent.

With the defaults, cross-entropy by SGD with momentum, the learning rate falls to 0 along a half
cosine, and every batch is shifted by up to 2 pixels. Both were chosen by 4-fold cross-validation
within the training part, twice with two seeds each: 97.7 % with neither, 97.8 % with the falling
rate, 98.7 % with both.
"""

import copy
import math
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from augmentation import augmented
from checkpoint import Checkpoint
from data import Part
from distributed import Group
from failure import TrainingFailed
from interrupt import Interrupt, Interrupted
from losses import LOSSES, Loss, l1_penalty
from model import Normalise
from network import network_of
from optimisers import optimiser_of, schedule_of
from options import Options

VALIDATION_BATCH = 256
# Several processes have to end at the same batch, and agree on it only so often: it costs a message.
BATCHES_BETWEEN_POLLS = 8


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    losses: of every epoch, the mean of what was made small. validation_losses and
    validation_accuracies: with --patience, of every epoch, the mean loss on the validation part,
    without penalties, and the share of right predictions there, 0..1.
    """

    normalise: Normalise
    network: nn.Module
    losses: list[float]
    validation_losses: list[float]
    validation_accuracies: list[float]


def fit(
    part: Part,
    classes: int,
    options: Options,
    group: Group | None = None,
    checkpoint: Checkpoint | None = None,
    interrupt: Interrupt | None = None,
    title: str = "",
) -> Fitted:
    """Trains a new network on the training part; it is on the CPU, and in evaluation mode then.

    The same options give the same weights on the same machine, versions and number of threads
    (OMP_NUM_THREADS); another number, or several processes, add in another order, and the paths drift
    apart slowly. With a checkpoint, a run that was ended goes on where it was, to the same weights; a
    signal leaves one before it ends the run. title: what comes before the lines of progress.

    Raises TrainingFailed when the loss is no longer a finite number, and Interrupted.
    """
    run = _Run(part, classes, options, group or Group(), checkpoint, title)
    if checkpoint is None or interrupt is None:
        run.train(None)
    else:
        with interrupt.deferred():
            run.train(interrupt)
    return run.fitted()


class _Run:
    """One network on its way: all that changes while it is trained is in `state`."""

    def __init__(
        self,
        part: Part,
        classes: int,
        options: Options,
        group: Group,
        checkpoint: Checkpoint | None,
        title: str,
    ) -> None:
        self.options, self.group, self.checkpoint, self.title = options, group, checkpoint, title
        torch.manual_seed(options.seed)
        torch.use_deterministic_algorithms(True)
        self.training, self.validation = (
            part.split(options.validation_share) if options.patience else (part, None)
        )
        images = torch.from_numpy(self.training.images)
        self.labels = torch.from_numpy(self.training.labels)
        self.normalise = Normalise(images)
        self.images = self.normalise(images)
        self.network = network_of(classes, images.shape[-1], options).to(group.device)
        self.loss_of = LOSSES[options.loss]
        self.optimiser = optimiser_of(self.network, options)
        self.batches = math.ceil(len(self.training) / options.batch_size)
        self.schedule = schedule_of(self.optimiser, options, self.batches)
        # The order of the samples is the same in all processes; what dropout leaves out is not.
        self.chances = torch.Generator()
        self.chances.set_state(torch.get_rng_state())
        torch.manual_seed(options.seed + 1 + group.rank)
        self.epoch = 0
        self.batch = 0
        self.order = torch.empty(0, dtype=torch.int64)
        self.total = 0.0
        self.losses: list[float] = []
        self.best = Best(options.patience)
        self._resume()

    def train(self, interrupt: Interrupt | None) -> None:
        """Trains to the end; with `interrupt`, to a signal at most."""
        options = self.options
        network = self.group.wrap(self.network).train()
        # On a terminal a bar; in a log, where a bar would be a page of fragments, a line per epoch.
        is_shown = self.group.is_first and sys.stderr.isatty()
        with tqdm(
            total=options.epochs * self.batches,
            initial=self.epoch * self.batches + self.batch,
            unit="batch",
            disable=not is_shown,
        ) as bar:
            while self.epoch < options.epochs and not self.best.is_over:
                if self.batch == 0:
                    self.order = torch.randperm(len(self.training), generator=self.chances)
                    self.total = 0.0
                for rows in self.order.split(options.batch_size)[self.batch :]:
                    self.total += self._step(network, rows)
                    self.batch += 1
                    bar.update()
                    if self.batch < self.batches:
                        self._leave_if_told(interrupt)
                text = self._end_of_epoch()
                bar.set_description(text)
                if self.group.is_first and not is_shown:
                    print(text, flush=True)
                self._save()
                self._leave_if_told(interrupt, is_saved=True)

    def fitted(self) -> Fitted:
        self.best.restore(self.network)
        return Fitted(
            self.normalise,
            self.network.cpu().eval(),
            self.losses,
            self.best.losses,
            self.best.accuracies,
        )

    def _step(self, network: nn.Module, batch: torch.Tensor) -> float:
        """One gradient step on a batch; returns this process's share of the sum of its losses."""
        mine = self.group.share(torch.arange(len(batch)))
        # A process with no row of a small batch takes part with one that counts nothing.
        rows, weight = (mine, len(mine)) if len(mine) > 0 else (torch.tensor([0]), 0)
        chosen = batch[rows]
        images = self.images[chosen].to(self.group.device, non_blocking=True)
        images = augmented(images, rows, len(batch), self.chances, self.options)
        labels = self.labels[chosen].to(self.group.device, non_blocking=True)
        self.optimiser.zero_grad()
        # The mean over the processes is that over the batch, though their parts differ in size.
        loss = self.loss_of(network(images), labels) * (weight * self.group.size / len(batch))
        if self.options.l1 > 0:
            loss = loss + self.options.l1 * l1_penalty(self.network)
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        return loss.item() * len(batch) / self.group.size

    def _end_of_epoch(self) -> str:
        """Takes note of the epoch; returns a line about it."""
        (total,) = self.group.sum(self.total)
        self.epoch += 1
        self.batch = 0
        mean_loss = total / len(self.training)
        if not math.isfinite(mean_loss):
            raise TrainingFailed(
                f"the loss is {mean_loss} after epoch {self.epoch}, expected a finite number; "
                f"a --learning-rate lower than {self.options.learning_rate:g} may help"
            )
        self.losses.append(mean_loss)
        text = f"{self.title}epoch {self.epoch}/{self.options.epochs} loss={mean_loss:.4f}"
        if self.validation is not None:
            loss, accuracy = validate(
                self.network, self.normalise, self.validation, self.loss_of, self.group
            )
            self.best.note(loss, accuracy, self.network)
            text += f" val_loss={loss:.4f} val_accuracy={accuracy:.4f}"
        return text

    def _leave_if_told(self, interrupt: Interrupt | None, is_saved: bool = False) -> None:
        if interrupt is None:
            return
        if self.group.size > 1 and self.batch % BATCHES_BETWEEN_POLLS != 0:
            return
        (told,) = self.group.sum(float(interrupt.number is not None))
        if told == 0:
            return
        if not is_saved:
            self._save()
        numbers = [number for number in self.group.all(interrupt.number) if number is not None]
        raise Interrupted(numbers[0], f"{self.title}epoch {self.epoch + 1}")

    def _save(self) -> None:
        """Keeps everything that changes; the first process writes it."""
        if self.checkpoint is None:
            return
        (total,) = self.group.sum(self.total)
        randomness = self.group.all(_randomness(self.group.device))
        if self.group.is_first:
            self.checkpoint.save(
                {
                    "network": self.network.state_dict(),
                    "optimiser": self.optimiser.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "chances": self.chances.get_state(),
                    "randomness": randomness,
                    "epoch": self.epoch,
                    "batch": self.batch,
                    "order": self.order,
                    "total": total,
                    "losses": self.losses,
                    "best": self.best.state(),
                }
            )

    def _resume(self) -> None:
        state = self.checkpoint.load() if self.checkpoint else None
        if state is None:
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.chances.set_state(state["chances"])
        _set_randomness(self.group.device, state["randomness"][self.group.rank])
        self.epoch, self.batch, self.order = state["epoch"], state["batch"], state["order"]
        # It was saved as the sum over the processes.
        self.total = state["total"] if self.group.is_first else 0.0
        self.losses = state["losses"]
        self.best.set_state(state["best"])
        if self.group.is_first:
            print(f"{self.title}goes on after {self.epoch} epochs and {self.batch} batches", flush=True)


class Best:
    """Early stopping: the weights of the smallest validation loss, and whether to go on."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.losses: list[float] = []
        self.accuracies: list[float] = []
        self._weights: dict[str, torch.Tensor] | None = None
        self._since = 0

    def note(self, loss: float, accuracy: float, network: nn.Module) -> None:
        """Takes note of the loss and accuracy after one more epoch."""
        self._since += 1
        if loss < min(self.losses, default=math.inf):
            self._weights = copy.deepcopy(network.state_dict())
            self._since = 0
        self.losses.append(loss)
        self.accuracies.append(accuracy)

    @property
    def is_over(self) -> bool:
        return self.patience > 0 and self._since >= self.patience

    def restore(self, network: nn.Module) -> None:
        """Gives the network its best weights back, where some were noted."""
        if self._weights is not None:
            network.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        return {
            "losses": self.losses,
            "accuracies": self.accuracies,
            "weights": self._weights,
            "since": self._since,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.losses, self.accuracies = state["losses"], state["accuracies"]
        self._weights, self._since = state["weights"], state["since"]


def validate(
    network: nn.Module, normalise: Normalise, part: Part, loss_of: Loss, group: Group | None = None
) -> tuple[float, float]:
    """The mean loss, and the share of right predictions, 0..1; each process computes its share of it.

    The network is left in training mode.
    """
    group = group or Group()
    images = normalise(torch.from_numpy(part.images))
    labels = torch.from_numpy(part.labels)
    network.eval()
    total, right = 0.0, 0
    with torch.no_grad():
        for batch in group.share(torch.arange(len(part))).split(VALIDATION_BATCH):
            logits = network(images[batch].to(group.device))
            expected = labels[batch].to(group.device)
            total += loss_of(logits, expected).item() * len(batch)
            right += int((logits.argmax(dim=1) == expected).sum())
    network.train()
    total, right_everywhere = group.sum(total, right)
    return total / len(part), right_everywhere / len(part)


def _randomness(device: torch.device) -> list[torch.Tensor]:
    """The state of what dropout draws from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return states


def _set_randomness(device: torch.device, states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
