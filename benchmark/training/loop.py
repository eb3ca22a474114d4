"""The one training loop. A method changes what happens inside a step, never the loop."""

import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_model, save_model

from benchmark.data import Dataset
from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.schema.errors import TemperError
from benchmark.suites import Recipe, TrainingTask
from benchmark.training.checkpoint import (
    Position,
    find_checkpoint,
    flatten_optimizer,
    load_checkpoint,
    read_position,
    save_checkpoint,
    storable,
)
from benchmark.training.context import Context, MethodError, NonFiniteLossError
from benchmark.training.feed import Feed
from benchmark.training.method import Method, Phase
from benchmark.training.optimization import (
    learning_rate,
    parameter_groups,
    pick_device,
    resolve_precision,
    warmup_steps,
)
from benchmark.training.seeding import seed_everything
from benchmark.training.verbs import (
    checked_batch,
    checked_model,
    checked_optimizer,
    checked_phases,
    checked_state,
    verb,
)

SAVING = "build_model (saving its model)"
"""What an error is named after that the model's own make-up causes when it is saved."""

Report = Callable[[int, int], None]
"""Called with the steps done and the steps of the run."""


@dataclass
class Trainer:
    """One training run: method, backbone, task and seed to weights, through checkpoints in `folder`.

    Attributes:
        folder: For checkpoints and the best weights; a run that finds a checkpoint there resumes from it.
        report: Progress.
        checkpoint_seconds: Minimum wall time between checkpoints inside an epoch; it changes no result. It is longer
            where writing one takes long, so that at most a twentieth of the time goes into them. 0 writes one after
            every step.
        attend_padding: Whether the model attends to padding; see `Classifier`.
    """

    method: Method
    backbone: Backbone
    task: TrainingTask
    recipe: Recipe
    train: Dataset
    validation: Dataset
    seed: int
    folder: Path
    report: Report = lambda done, total: None
    checkpoint_seconds: float = 60.0
    device: torch.device = field(default_factory=pick_device)
    attend_padding: bool = False

    def run(self) -> tuple[Classifier, Position]:
        """Train to the end and return the model with its best epoch's weights, in eval mode.

        Raises:
            NonFiniteLossError: a loss or a gradient norm is not finite.
            MethodError: a hook raised, or returned what it must not.
        """
        self._prepare()
        for phase in self._phases[self._position.phase :]:
            self._run_phase(phase)
        self._model.requires_grad_(True)
        best = self.folder / f"best-{self._position.best_epoch}.safetensors"
        load_model(self._model, str(best))
        self._position.passes = self._model.passes.counts()
        return self._model.eval(), self._position

    def _prepare(self) -> None:
        """Build everything, then overwrite it from the checkpoint if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seed_everything(self.seed, "model")
        with self._verb("build_model"):
            model = self.method.build_model(self.backbone, self.task)
            self._model = checked_model(model, len(self.task.classes)).to(self.device)
        self._model.attend_padding = self.attend_padding
        self._feed = Feed(self.method, self._model, self.train, self.recipe, seed=self.seed, verb=self._verb)
        with self._verb("phases"):
            self._phases = checked_phases(self.method.phases(self.recipe))
        self._windows_per_epoch = len(self._feed.windows(0))
        self._total = sum(phase.epochs for phase in self._phases) * self._windows_per_epoch
        self._context = self._make_context()
        self._last_checkpoint, self._checkpoint_cost = time.monotonic(), 0.0
        self._resume_or_set_up()

    def _make_context(self) -> Context:
        precision = resolve_precision(self.recipe.precision, self.device)
        return Context(
            model=self._model,
            recipe=self.recipe,
            seed=self.seed,
            epochs=sum(phase.epochs for phase in self._phases),
            steps=self._total,
            train_batches=lambda purpose: self._feed.batches(purpose, self._context.epoch),
            autocast_dtype=torch.bfloat16 if precision == "bf16" else None,
        )

    def _resume_or_set_up(self) -> None:
        checkpoint = find_checkpoint(self.folder)
        self._position = Position() if checkpoint is None else read_position(checkpoint)
        self._enter_phase(self._phases[self._position.phase])
        context = self._context
        if checkpoint is None:
            self._set_up()
            return
        context.step, context.epoch = self._position.step, self._epochs_before() + self._position.epoch
        with self._verb("build_optimizer (loading its optimizer's state)"):
            state = load_checkpoint(checkpoint, self._model, context.optimizer)
        with self._verb("load_state_dict"):
            self.method.load_state_dict({name: t.to(self.device) for name, t in state.items()}, context)
        for name, count in self._position.passes.items():
            setattr(self._model.passes, name, count)

    def _set_up(self) -> None:
        """Run `setup` on a model that is trainable as a whole: later phases may train what the first one does not."""
        seed_everything(self.seed, "setup")
        self._model.train().requires_grad_(True)
        with self._verb("setup"), self._context.autocast():
            self.method.setup(self._context)
        self._freeze(self._phases[0])

    def _epochs_before(self) -> int:
        return sum(phase.epochs for phase in self._phases[: self._position.phase])

    def _freeze(self, phase: Phase) -> None:
        with self._verb(f"phases (trainable of {phase.name!r})"):
            for name, parameter in self._model.named_parameters():
                parameter.requires_grad_(phase.trainable is None or bool(phase.trainable(name)))

    def _enter_phase(self, phase: Phase) -> None:
        self._freeze(phase)
        self._trainable = [p for p in self._model.parameters() if p.requires_grad]
        if not self._trainable:
            raise MethodError(f"Phase {phase.name!r} of method {self.method.name!r} trains no parameter.")
        with self._verb("build_optimizer"):
            groups = parameter_groups(self._model, self.recipe)
            self._context.optimizer = checked_optimizer(self.method.build_optimizer(groups, self._context))

    def _run_phase(self, phase: Phase) -> None:
        while self._position.epoch < phase.epochs:
            self._run_epoch(phase)
        self._position.phase += 1
        self._position.epoch = 0
        if self._position.phase < len(self._phases):
            self._enter_phase(self._phases[self._position.phase])
            self._checkpoint()

    def _run_epoch(self, phase: Phase) -> None:
        """Run the remaining steps of an epoch, then select and checkpoint."""
        windows = self._feed.windows(self._context.epoch)
        if len(windows) != self._windows_per_epoch:
            raise MethodError(
                f"Method {self.method.name!r} gives {len(windows)} steps in epoch {self._context.epoch} and "
                f"{self._windows_per_epoch} in the first; the schedule needs the same number in each."
            )
        for window in windows[self._position.window :]:
            self._model.train()
            self._step(window, phase)
            self._position.window += 1
            if self._checkpoint_is_due():
                self._checkpoint()
        self._end_epoch(len(windows))

    def _step(self, window: list[list[int]], phase: Phase) -> None:
        """One optimizer step over an accumulation window."""
        context, optimizer = self._context, self._context.optimizer
        seed_everything(self.seed, "step", context.step)
        context.accumulation = len(window)
        done, total = self._progress(phase)
        context.warming_up = done < warmup_steps(self.recipe, total)
        for rows in window:
            plain = self._feed.batch(rows)
            with self._verb("transform_batch"):
                batch = checked_batch(self.method.transform_batch(plain, context))
            with self._verb("backward"), context.autocast():
                self.method.backward(self._model, batch, context)
        self._clip()
        with self._verb("transform_gradients"):
            self.method.transform_gradients(self._trainable, context)
        self._set_rate(phase)
        with self._verb("build_optimizer (the optimizer's step)"):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        context.step += 1
        self._position.step = context.step
        self._position.losses += context.take_loss()
        with self._verb("after_step"):
            self.method.after_step(context)
        self.report(context.step, self._total)

    def _clip(self) -> None:
        if self.recipe.clip is None:
            return
        norm = float(torch.nn.utils.clip_grad_norm_(self._trainable, self.recipe.clip))
        if not math.isfinite(norm):
            raise NonFiniteLossError(f"The gradient norm is {norm} at step {self._context.step} (seed {self.seed}).")

    def _progress(self, phase: Phase) -> tuple[int, int]:
        """Steps of a phase that are done, and all of them."""
        done = self._position.epoch * self._windows_per_epoch + self._position.window
        return done, phase.epochs * self._windows_per_epoch

    def _set_rate(self, phase: Phase) -> None:
        rate = learning_rate(self.recipe, *self._progress(phase))
        for group in self._context.optimizer.param_groups:
            group["lr"] = rate

    def _checkpoint_is_due(self) -> bool:
        if self.checkpoint_seconds <= 0:
            return True
        return time.monotonic() - self._last_checkpoint > max(self.checkpoint_seconds, 20 * self._checkpoint_cost)

    def _end_epoch(self, windows: int) -> None:
        """Validate, keep the weights if they are the best so far, call `on_epoch_end`, and checkpoint.

        A run that was killed in here resumes from the checkpoint after the last step, or from an earlier one.
        """
        position, context = self._position, self._context
        accuracy = self._validate()
        context.epoch += 1
        row = {"epoch": context.epoch, "loss": position.losses / windows, "validation_accuracy": accuracy}
        position.log.append(row)
        if accuracy > position.best_accuracy:
            position.best_accuracy, position.best_epoch = accuracy, context.epoch
            self._save_best(context.epoch)
        self._model.train()
        seed_everything(self.seed, "epoch-end", context.epoch)
        with self._verb("on_epoch_end"), context.autocast():
            self.method.on_epoch_end(context)
        position.epoch, position.window, position.losses = position.epoch + 1, 0, 0.0
        if context.epoch < context.epochs:
            self._checkpoint()

    def _save_best(self, epoch: int) -> None:
        """Keep this epoch's weights."""
        fresh = self.folder / "best.new"
        with self._verb(SAVING):
            save_model(self._model, str(fresh))
        target = self.folder / f"best-{epoch}.safetensors"
        fresh.rename(target)

    def _validate(self) -> float:
        """Accuracy on `validation`: the only thing that selects a checkpoint."""
        with self._verb("build_model (predicting with its model)"):
            logits = predict_logits(self._model, [e.texts for e in self.validation.examples])
            if logits.shape != (len(self.validation), len(self.task.classes)):
                wanted = f"({len(self.validation)}, {len(self.task.classes)})"
                raise TemperError(f"the model's logits have the shape {logits.shape}; give it one of {wanted}.")
        if not np.isfinite(logits).all():
            raise NonFiniteLossError(
                f"The model's answers are not finite after epoch {self._context.epoch + 1} (seed {self.seed})."
            )
        labels = np.array([e.label for e in self.validation.examples])
        return float((logits.argmax(axis=1) == labels).mean())

    def _checkpoint(self) -> None:
        started = time.monotonic()
        self._position.passes = self._model.passes.counts()
        with self._verb("state_dict"):
            state = storable(checked_state(self.method.state_dict()))
        with self._verb("build_optimizer (saving its optimizer's state)"):
            tensors, numbers = flatten_optimizer(self._context.optimizer)
        with self._verb(SAVING):
            save_checkpoint(self.folder, self._model, (tensors, numbers), state, self._position)
        # Only now does no checkpoint point at the weights of an earlier best epoch.
        for stale in self.folder.glob("best-*.safetensors"):
            if stale.stem != f"best-{self._position.best_epoch}":
                stale.unlink()
        self._last_checkpoint = time.monotonic()
        self._checkpoint_cost = self._last_checkpoint - started

    def _verb(self, name: str) -> AbstractContextManager[None]:
        return verb(self.method, name, self._context.step if hasattr(self, "_context") else 0)


def write_log(position: Position, path: Path) -> None:
    """Write a run's epochs as JSON lines, with which of them was selected."""
    rows = [{**row, "selected": row["epoch"] == position.best_epoch} for row in position.log]
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), encoding="utf-8")
