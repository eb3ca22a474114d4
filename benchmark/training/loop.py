"""Training loop. A method changes a step through its hooks, and never the loop itself."""

import json
import math
import time
from collections.abc import Callable, Mapping
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
)
from benchmark.training.context import Context, MethodError, NonFiniteLossError, seed_everything
from benchmark.training.data_loader import DataLoader
from benchmark.training.method import Method, Phase
from benchmark.training.method_errors import GuardedMethod
from benchmark.training.optimization import (
    learning_rate,
    parameter_groups,
    pick_device,
    require_precision,
    resolve_precision,
    warmup_steps,
)

SAVING = "build_model (saving its model)"
"""Hook that errors name if the model cannot be saved because of how it was built."""

Report = Callable[[int, int], None]
"""Called with the steps done and the steps of the run."""

Log = Callable[[int, Mapping[str, float]], None]
"""Called with a step and values of the curves there."""

LOGGED_STEPS = 500
"""Of a longer run, loss and learning rate are logged at regular intervals, for up to twice as many steps."""


class Trainer:
    """One training run: method, backbone, task and seed to weights, through checkpoints in `folder`.

    Attributes:
        method: The method in training.
        model: The model in training.
        context: What the hooks see of the run.
        phases: The phases of the run; none for a model without parameters, which `Method.setup` alone fits.
        precision: The precision of the passes: ``fp32`` or ``bf16``.
        report: Progress.
        checkpoint_seconds: Minimum wall time between checkpoints inside an epoch; it changes no result. It is longer
            where writing one takes long, so that at most a twentieth of the time goes into them. 0 writes one after
            every step.
    """

    def __init__(
        self,
        *,
        method: Method,
        backbone: Backbone,
        task: TrainingTask,
        recipe: Recipe,
        train: Dataset,
        validation: Dataset,
        seed: int,
        folder: Path,
        report: Report = lambda done, total: None,
        log: Log = lambda step, values: None,
        on_checkpoint: Callable[[], None] = lambda: None,
        checkpoint_seconds: float = 60.0,
        device: torch.device | None = None,
        attend_padding: bool = False,
    ) -> None:
        """Build the model, the batches, and the optimizer of the phase that the run is in.

        Args:
            method: A new instance.
            backbone: The pre-trained model.
            task: The training task.
            recipe: The suite's recipe.
            train: The training set.
            validation: The only data that selects the best epoch.
            seed: All random draws depend on it alone.
            folder: For checkpoints and the best weights; a run that finds a checkpoint there resumes from it.
            report: Progress.
            log: Receives the curves: loss and learning rate of steps, and the validation accuracy of epochs.
            on_checkpoint: Called after each checkpoint. A resumed run logs none of the steps before it again.
            checkpoint_seconds: See the class.
            device: Where the model runs; by default the first accelerator, else the CPU.
            attend_padding: Whether the model attends to padding; see `Classifier`.

        Raises:
            MethodError: a hook raised, or returned an invalid value.
            UnavailableError: the device lacks the recipe's precision.
        """
        self.method, self.recipe, self.seed, self.folder = method, recipe, seed, folder
        self.train, self.validation = train, validation
        self.report, self.checkpoint_seconds = report, checkpoint_seconds
        self._log, self._on_checkpoint = log, on_checkpoint
        self._classes = len(task.classes)
        self._device = device or pick_device()
        require_precision(recipe.precision, self._device)
        self._hooks = GuardedMethod(method)
        folder.mkdir(parents=True, exist_ok=True)

        seed_everything(seed, "model")
        self.model: Classifier = self._hooks.build_model(backbone, task).to(self._device)
        self.model.attend_padding = attend_padding
        self._data = DataLoader(self._hooks, self.model, train, recipe, seed)
        self.phases = self._hooks.phases(recipe) if any(True for _ in self.model.parameters()) else []
        self._windows_per_epoch = len(self._data.windows(0))
        epochs = sum(phase.epochs for phase in self.phases)
        self.precision = resolve_precision(recipe.precision, self._device)
        self.context = Context(
            model=self.model,
            recipe=recipe,
            seed=seed,
            epochs=epochs,
            steps=epochs * self._windows_per_epoch,
            train_batches=lambda purpose: self._data.batches(purpose, self.context.epoch),
            autocast_dtype=torch.bfloat16 if self.precision == "bf16" else None,
        )
        self._checkpoint = find_checkpoint(folder)
        self._position = Position() if self._checkpoint is None else read_position(self._checkpoint)
        self._last_saved, self._saving_seconds = time.monotonic(), 0.0
        self._trainable = self._enter_phase(self.phases[self._position.phase]) if self.phases else []

    def run(self) -> tuple[Classifier, Position]:
        """Train to the end and return the model with its best epoch's weights, in eval mode.

        Raises:
            NonFiniteLossError: a loss or a gradient norm is not finite.
            MethodError: a hook raised, or returned an invalid value.
        """
        self._start()
        for phase in self.phases[self._position.phase :]:
            self._run_phase(phase)
        if self.phases:
            best = self.folder / f"best-{self._position.best_epoch}.safetensors"
            load_model(self.model, str(best))
        self._finish()
        if not self.phases:
            self._position.best_accuracy = self._validate()
        self._position.passes = self.model.passes.counts()
        return self.model.eval(), self._position

    def _start(self) -> None:
        """Load the checkpoint if there is one; else run `setup`."""
        if self._checkpoint is None:
            self._set_up()
            return
        context, position = self.context, self._position
        epochs_before = sum(phase.epochs for phase in self.phases[: position.phase])
        context.step, context.epoch = position.step, epochs_before + position.epoch
        self._hooks.step = position.step
        with self._hooks.guard("build_optimizer (loading its optimizer's state)"):
            state = load_checkpoint(self._checkpoint, self.model, context.optimizer)
        self._hooks.load_state_dict({name: t.to(self._device) for name, t in state.items()}, context)
        for name, count in position.passes.items():
            setattr(self.model.passes, name, count)

    def _set_up(self) -> None:
        """Run `setup` on a model that is trainable as a whole: later phases may train what the first one does not."""
        seed_everything(self.seed, "setup")
        self.model.train().requires_grad_(True)
        with self.context.autocast():
            self._hooks.setup(self.context)
        for phase in self.phases[:1]:
            self._freeze(phase)

    def _freeze(self, phase: Phase) -> None:
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(self._hooks.is_trained(phase, name))

    def _enter_phase(self, phase: Phase) -> list[torch.nn.Parameter]:
        """Freeze what the phase does not train, build its optimizer, and return the parameters that it trains."""
        self._freeze(phase)
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        if not trainable:
            raise MethodError(f"Phase {phase.name!r} of method {self.method.name!r} trains no parameter.")
        self.context.optimizer = self._hooks.build_optimizer(parameter_groups(self.model, self.recipe), self.context)
        return trainable

    def _run_phase(self, phase: Phase) -> None:
        while self._position.epoch < phase.epochs:
            self._run_epoch(phase)
        self._position.phase += 1
        self._position.epoch = 0
        if self._position.phase < len(self.phases):
            self._trainable = self._enter_phase(self.phases[self._position.phase])
            self._save_checkpoint()

    def _run_epoch(self, phase: Phase) -> None:
        """Run the remaining steps of an epoch, then select and checkpoint."""
        windows = self._data.windows(self.context.epoch)
        if len(windows) != self._windows_per_epoch:
            raise MethodError(
                f"Method {self.method.name!r} gives {len(windows)} steps in epoch {self.context.epoch} and "
                f"{self._windows_per_epoch} in the first; the schedule needs the same number in each."
            )
        for window in windows[self._position.window :]:
            self.model.train()
            self._step(window, phase)
            self._position.window += 1
            if self._checkpoint_is_due():
                self._save_checkpoint()
        self._end_epoch(len(windows))

    def _step(self, window: list[list[int]], phase: Phase) -> None:
        """Make one optimizer step over an accumulation window."""
        hooks, context, optimizer = self._hooks, self.context, self.context.optimizer
        done = self._position.epoch * self._windows_per_epoch + self._position.window
        total = phase.epochs * self._windows_per_epoch
        seed_everything(self.seed, "step", context.step)
        context.start_window([len(rows) for rows in window])
        context.warming_up = done < warmup_steps(self.recipe, total)
        for context.micro_batch, rows in enumerate(window):
            batch = hooks.transform_batch(self._data.batch(rows), context)
            with context.autocast():
                hooks.backward(self.model, batch, context)
        self._clip()
        hooks.transform_gradients(self._trainable, context)
        rate = phase.rate_factor * learning_rate(self.recipe, done, total)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with hooks.guard("build_optimizer (the optimizer's step)"):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        context.step += 1
        hooks.step = self._position.step = context.step
        loss = context.take_loss()
        self._position.losses += loss
        hooks.after_step(context)
        if context.step % max(1, context.steps // LOGGED_STEPS) == 0:
            self._log(context.step, {"loss": loss, "learning_rate": rate})
        self.report(context.step, context.steps)

    def _clip(self) -> None:
        if self.recipe.clip is None:
            return
        norm = float(torch.nn.utils.clip_grad_norm_(self._trainable, self.recipe.clip))
        if not math.isfinite(norm):
            raise NonFiniteLossError(f"The gradient norm is {norm} at step {self.context.step} (seed {self.seed}).")

    def _end_epoch(self, windows: int) -> None:
        """Validate, keep the weights to evaluate if they are the best so far, call `on_epoch_end`, and checkpoint.

        A run that was killed in here resumes from the checkpoint after the last step, or from an earlier one.
        """
        position, context = self._position, self.context
        with context.replaced(self._hooks.evaluation_weights(context)):
            accuracy = self._validate()
            context.epoch += 1
            row = {"epoch": context.epoch, "loss": position.losses / windows, "validation_accuracy": accuracy}
            position.log.append(row)
            self._log(context.step, {"validation_accuracy": accuracy, "epoch": context.epoch})
            if accuracy > position.best_accuracy:
                position.best_accuracy, position.best_epoch = accuracy, context.epoch
                self._save_best(context.epoch)
        self.model.train()
        seed_everything(self.seed, "epoch-end", context.epoch)
        with context.autocast():
            self._hooks.on_epoch_end(context)
        position.epoch, position.window, position.losses = position.epoch + 1, 0, 0.0
        if context.epoch < context.epochs:
            self._save_checkpoint()

    def _finish(self) -> None:
        """Let the method make its last change to the weights of the best epoch."""
        seed_everything(self.seed, "finish")
        self.model.train().requires_grad_(True)
        with self.context.autocast():
            self._hooks.finish(self.context)
        self.model.requires_grad_(True)
        for name, parameter in self.model.named_parameters():
            if not bool(parameter.isfinite().all()):
                raise NonFiniteLossError(f"{name} is not finite after the hook finish (seed {self.seed}).")

    def _save_best(self, epoch: int) -> None:
        """Save this epoch's weights as the best so far."""
        fresh = self.folder / "best.new"
        with self._hooks.guard(SAVING):
            save_model(self.model, str(fresh))
        fresh.rename(self.folder / f"best-{epoch}.safetensors")

    def _validate(self) -> float:
        """Return the accuracy on `validation`, which alone selects the best epoch."""
        with self._hooks.guard("build_model (predicting with its model)"):
            logits = predict_logits(self.model, [e.texts for e in self.validation.examples])
            if logits.shape != (len(self.validation), self._classes):
                wanted = f"({len(self.validation)}, {self._classes})"
                raise TemperError(f"the model's logits have the shape {logits.shape}; give it one of {wanted}.")
        if not np.isfinite(logits).all():
            raise NonFiniteLossError(
                f"The model's answers are not finite after epoch {self.context.epoch + 1} (seed {self.seed})."
            )
        labels = np.array([e.label for e in self.validation.examples])
        return float((logits.argmax(axis=1) == labels).mean())

    def _checkpoint_is_due(self) -> bool:
        if self.checkpoint_seconds <= 0:
            return True
        return time.monotonic() - self._last_saved > max(self.checkpoint_seconds, 20 * self._saving_seconds)

    def _save_checkpoint(self) -> None:
        started = time.monotonic()
        self._position.passes = self.model.passes.counts()
        state = self._hooks.state_dict()
        with self._hooks.guard("build_optimizer (saving its optimizer's state)"):
            tensors, numbers = flatten_optimizer(self.context.optimizer)
        with self._hooks.guard(SAVING):
            save_checkpoint(self.folder, self.model, (tensors, numbers), state, self._position)
        # The checkpoint no longer refers to the weights of an earlier best epoch, so delete them.
        for stale in self.folder.glob("best-*.safetensors"):
            if stale.stem != f"best-{self._position.best_epoch}":
                stale.unlink()
        self._last_saved = time.monotonic()
        self._saving_seconds = self._last_saved - started
        self._on_checkpoint()


def write_log(position: Position, path: Path) -> None:
    """Write a run's epochs as JSON lines, with a mark on the selected one."""
    rows = [{**row, "selected": row["epoch"] == position.best_epoch} for row in position.log]
    path.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), encoding="utf-8")
