"""Time a training step of each method over vanilla's, beside the floor that its arithmetic sets.

    python -m tests.performance.training_step --methods vanilla,roast --rounds 7

Every round runs each method once, so that a busy moment of the machine hits all of them alike; the medians of the
rounds' ratios are printed. The floor uses this machine's own cost of a backward pass, full and to the inputs only,
in forwards, measured in the same rounds.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from benchmark.execution.registry import MethodRequest, configure
from benchmark.models.backbones import resolve_backbone
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe
from benchmark.training import Context, Method
from benchmark.training.optimization import parameter_groups

BATCH, LENGTH, WARM_UP = 16, 64, 2


class Run:
    """One method on a model of its own, a step at a time."""

    def __init__(self, method: Method, device: torch.device) -> None:
        torch.manual_seed(0)
        self.method = method
        self.model = Classifier.from_pretrained(resolve_backbone("minilm").path, 2, LENGTH).to(device).train()
        ids = torch.randint(1000, 20000, (BATCH, LENGTH), device=device)
        tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
        self.batch = Batch(tokens, torch.arange(BATCH, device=device) % 2)
        recipe = Recipe(epochs=1, batch_size=BATCH, learning_rate=1e-6, clip=1.0)
        self.context = Context(self.model, recipe, 0, 1, self._batches)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.context.optimizer = method.build_optimizer(parameter_groups(self.model, recipe), self.context)
        method.setup(self.context)

    def _batches(self, _purpose: str) -> Iterator[Batch]:
        yield self.batch

    def step(self) -> None:
        """What the loop does for one step, without its bookkeeping."""
        context = self.context
        self.method.backward(self.model, self.method.transform_batch(self.batch, context), context)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.method.transform_gradients(self.parameters, context)
        context.optimizer.step()
        context.optimizer.zero_grad(set_to_none=True)
        context.step += 1
        self.method.after_step(context)

    def passes(self) -> dict[str, float]:
        """Forward, backward and input-backward passes of one step, in batches."""
        before = self.model.passes.counts()
        self.step()
        return {name: (count - before[name]) / BATCH for name, count in self.model.passes.counts().items()}


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def unit_costs(run: Run) -> dict[str, float]:
    """Seconds of a forward, a full backward, a backward to the inputs, and of the optimizer with clipping."""
    model, batch = run.model, run.batch
    embeds = model.embed(batch)
    logits: list[torch.Tensor] = []
    forward = seconds(lambda: logits.append(model(batch, embeds=embeds)))
    inputs = seconds(lambda: torch.autograd.grad(logits[0].sum(), embeds, retain_graph=True))
    full = seconds(lambda: logits[0].sum().backward())

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(run.parameters, 1.0)
        run.context.optimizer.step()

    rest = seconds(update)
    run.context.optimizer.zero_grad(set_to_none=True)
    return {"forward": forward, "backward": full, "input_backward": inputs, "update": rest}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="vanilla,roast")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    names = [name for name in options.methods.split(",") if name != "vanilla"]
    runs = {n: Run(configure(MethodRequest.parse(n), {}).make(), device) for n in ["vanilla", *names]}
    for run in runs.values():
        for _ in range(WARM_UP):
            run.step()
    units = [unit_costs(runs["vanilla"]) for _ in range(options.rounds)]
    unit = {name: statistics.median(u[name] for u in units) for name in units[0]}
    times = [{name: seconds(run.step) for name, run in runs.items()} for _ in range(options.rounds)]
    base = unit["forward"] + unit["backward"] + unit["update"]
    print(f"backward {unit['backward'] / unit['forward']:.2f} forwards, to the inputs only "
          f"{unit['input_backward'] / unit['forward']:.2f}")  # fmt: skip
    print(f"{'method':30} {'x vanilla':>9} {'floor':>6} {'ratio to floor':>14}")
    for name, run in runs.items():
        ratio = statistics.median(t[name] / t["vanilla"] for t in times)
        counted = run.passes()
        floor = (sum(counted[kind] * unit[kind] for kind in counted) + unit["update"]) / base
        print(f"{name:30} {ratio:9.2f} {floor:6.2f} {ratio / floor:14.2f}")


if __name__ == "__main__":
    main()
