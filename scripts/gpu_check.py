"""Check on a machine with a GPU that every method trains, predicts, is attacked and resumes there, and time it.

    make gpu-check
    python -m scripts.gpu_check --methods vanilla,freelb --precisions fp32

Each method is trained on the tiny task of `temper check`: once as a whole, and once killed and resumed, which must end
with the same bits on the same device. Its saved model must predict what it predicted before, and an attack must end
with an outcome for every text. Then a step of each method and an attack's queries are timed on a RoBERTa-base with
random weights, so nothing is fetched. The tables are written to ``docs/gpu.md``; the exit status is 1 if a check fails.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Read when the first matrix product runs; without it, cuBLAS is not deterministic.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import torch

from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.plan import parse_methods
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import TemperError
from benchmark.testing.subject import Killed
from benchmark.testing.tiny import dataset, sentences, trainer, weights, write_tiny_bert, write_tiny_masked_lm
from benchmark.training.optimization import pick_device, require_precision

ROOT = Path(__file__).resolve().parents[1]
CUT = 7
"""Step after which a run is killed: in the second of two epochs of five steps."""

TEXTS = [(text,) for text, _ in sentences(20, seed=9)]
ATTACKED = 12
SAME_PREDICTION = 1e-4


@dataclass(frozen=True)
class Checked:
    """The outcome of a method's checks.

    Attributes:
        problems: One sentence each; empty if all is well.
        mebibytes: Largest memory that torch held on the GPU in training; 0 on the CPU.
    """

    problems: tuple[str, ...]
    mebibytes: float


def checked(name: str, precision: str, backbone: Path, folder: Path) -> Checked:
    """Run all checks of a method.

    Args:
        name: The method, with settings if need be.
        precision: ``fp32`` or ``bf16``.
        backbone: Folder of a tiny model.
        folder: An empty folder.
    """
    device = pick_device()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        problems = tuple(_problems(configure(MethodRequest.parse(name)).make, precision, backbone, folder))
    except (TemperError, RuntimeError, ValueError, TypeError) as error:
        problems = (" ".join(f"{type(error).__name__}: {error}".split())[:300],)
    held = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else 0.0
    return Checked(problems, held)


def _problems(make: Callable[[], "object"], precision: str, backbone: Path, folder: Path) -> Iterator[str]:
    whole = trainer(make(), backbone, folder / "whole", precision=precision)  # type: ignore[arg-type]
    model, position = whole.run()
    if model.device.type != pick_device().type:
        yield f"trained on {model.device}"
    cut = trainer(make(), backbone, folder / "cut", precision=precision)  # type: ignore[arg-type]
    cut.checkpoint_seconds, cut.report = 0.0, _kill
    try:
        cut.run()
    except Killed:
        resumed, again = trainer(make(), backbone, folder / "cut", precision=precision).run()  # type: ignore[arg-type]
        mine, theirs = weights(model), weights(resumed)
        different = [key for key, value in mine.items() if not torch.equal(value, theirs[key])]
        if different or position.log != again.log:
            yield f"killed and resumed, it ends with another {different[0] if different else 'log'}"
    logits = predict_logits(model, TEXTS)
    if not np.isfinite(logits).all():
        yield "predictions are not finite"
    model.save(folder / "saved")
    loaded = load_classifier(folder / "saved").to(pick_device()).eval()
    if (gap := float(np.abs(predict_logits(loaded, TEXTS) - logits).max())) > SAME_PREDICTION:
        yield f"the saved model's logits differ by {gap:.2g}"
    yield from _attack_problems(loaded, backbone, folder)


def _kill(done: int, _total: int) -> None:
    if done == CUT:
        raise Killed


def _attack_problems(model: Classifier, backbone: Path, folder: Path) -> Iterator[str]:
    """Attack tiny texts by DeepWordBug, with the tiny backbone as sentence encoder, so that no resource is needed."""
    from benchmark.attacks import Parts, run_attack
    from benchmark.attacks.encoder import SentenceEncoder
    from benchmark.attacks.suite_attack import Attack
    from benchmark.attacks.victim import ModelVictim

    words = {"id": "check", "version": 1, "title": "check", "description": "check", "on": "check"}
    attack = Attack(**words, subset=ATTACKED, recipe="deepwordbug")  # type: ignore[arg-type]
    parts = Parts(SentenceEncoder(backbone, str(model.device)))
    rows = run_attack(attack, dataset(ATTACKED), ModelVictim(model), folder / "journal", parts=parts)
    if len(rows) != ATTACKED or any(row.outcome == "error" for row in rows):
        yield f"the attack ended with {[row.outcome for row in rows]}"


def table(names: Sequence[str], precisions: Sequence[str], show: Callable[[str], None]) -> tuple[list[str], bool]:
    """Check methods; return the lines of a Markdown table, and whether all checks passed."""
    lines = [f"| method | {' | '.join(precisions)} | memory in MiB |", "|---|" + "---|" * len(precisions) + "--:|"]
    passed = True
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for part in ("bert", "masked"):
            (root / part).mkdir()
        bert, masked = write_tiny_bert(root / "bert"), write_tiny_masked_lm(root / "masked")
        for name in names:
            backbone = masked if "mvp" in name else bert
            outcomes = [checked(name, p, backbone, root / name.replace(":", "_") / p) for p in precisions]
            passed &= not any(outcome.problems for outcome in outcomes)
            cells = [" and ".join(outcome.problems).replace("|", "/") or "ok" for outcome in outcomes]
            largest = max(outcome.mebibytes for outcome in outcomes)
            lines.append(f"| `{name}` | {' | '.join(cells)} | {largest:.0f} |")
            show(lines[-1])
    return lines, passed


def timings(names: Sequence[str], precision: str, rounds: int) -> list[str]:
    """Time steps and predictions on a RoBERTa-base with random weights; return lines of Markdown."""
    from tests.performance.stepping import Shape, random_backbone, texts_of
    from tests.performance.training_step import RANDOM, measure

    device = pick_device()
    with tempfile.TemporaryDirectory() as scratch:
        backbone = random_backbone(Path(scratch), *RANDOM["roberta-base-random"])
        times, price = measure(names, backbone, Shape(16, 128, device, precision), rounds)
        model = Classifier.from_pretrained(backbone.path, 2, 128).to(device).eval()
        texts = [example.texts for example in texts_of(model.tokenizer, 512, 64)]
        predict_logits(model, texts[:64])
        started = time.perf_counter()
        predict_logits(model, texts)
        speed = len(texts) / (time.perf_counter() - started)
    step = sum(price[kind] for kind in ("forward", "backward", "update"))
    return [
        f"RoBERTa-base with random weights, 16 x 128 tokens, {precision}: vanilla's step takes {1000 * step:.1f} ms,",
        f"and {speed:.0f} texts of 64 words are predicted per second. Medians of {rounds} rounds:",
        "",
        "| method | over vanilla | floor | over its floor |",
        "|---|--:|--:|--:|",
        *(f"| `{name}` | {t.ratio:.2f} | {t.floor:.2f} | {t.excess:.2f} |" for name, t in times.items()),
    ]


def page(checks: Sequence[str], times: Sequence[str]) -> str:
    """Write the page."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return "\n".join(
        (
            "# On a GPU",
            "",
            "Written by `make gpu-check`. Each method is trained, killed and resumed to the same bits, saved, loaded",
            "and attacked on the tiny task of `temper check`, with torch's deterministic algorithms.",
            "",
            f"{name}, torch {torch.__version__}, commit {head or 'unknown'}.",
            "",
            *checks,
            *(("", "## Speed", "", *times) if times else ()),
            "",
        )
    )


def main() -> None:
    """Check, time, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="separated by commas; all registered ones by default")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--rounds", type=int, default=5, help="of timing; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "gpu.md")
    parser.add_argument("--cpu", action="store_true", help="run the checks on a machine without a GPU; writes no page")
    options = parser.parse_args()
    if not torch.cuda.is_available() and not options.cpu:
        sys.exit("gpu_check: torch sees no GPU. Run it on a machine with one, or add --cpu to try the checks here.")
    torch.use_deterministic_algorithms(True)
    names = options.methods.split(",") if options.methods else [request.name for request in parse_methods("all")]
    precisions = options.precisions.split(",")
    for precision in precisions:
        require_precision(precision, pick_device())
    lines, passed = table(names, precisions, lambda line: print(line, flush=True))
    if not options.cpu:
        times = timings(names, precisions[-1], options.rounds) if options.rounds else []
        options.out.write_text(page(lines, times), encoding="utf-8")
        print(f"wrote {options.out}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
