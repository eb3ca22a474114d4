"""MVP's step and MVP+Adv's against equations written out by hand; what it composes with, and what it refuses."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import materialise
from benchmark.models.backbones import Backbone
from benchmark.models.prompt_classifier import PromptClassifier
from benchmark.schema import read_results
from benchmark.schema.errors import UsageError
from benchmark.suites import load_suite
from benchmark.training import Method, MethodError
from benchmark.training.toolbox.prompts import prompt_for
from methods.mvp import MVP
from tests.support.families import run_steps
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, word_vectors
from tests.support.prompts import LABEL_WORDS, PROMPTED, PromptSetting, write_family, write_two_templates
from tests.support.rows import row_of
from tests.support.steps import accumulation_gap, check_step
from tests.support.tiny import trainer, write_tiny_masked_lm
from tests.support.tiny_suite import write_tiny_suite

ADV = "space=words:norm=l2:epsilon=1:rate=1.5:random_start=true:clean=false"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def made(text: str) -> Method:
    return configure(MethodRequest.parse(text)).make()


def test_a_step(backbone: Path, tmp_path: Path) -> None:
    s = PromptSetting(backbone, MVP(templates=write_two_templates(tmp_path)))
    grads = check_step(s, lambda w: cross_entropy(s.plain_logits(w), s.labels))
    moved = grads["network.bert.embeddings.word_embeddings.weight"].abs().sum(-1) > 0
    assert moved[s.number("[MASK]")]
    assert set(grads["network.cls.predictions.bias"].nonzero().flatten().tolist()) <= {
        s.number(word) for own in LABEL_WORDS for word in own
    }


def test_both_words_and_both_templates_count(backbone: Path, tmp_path: Path) -> None:
    """The derivation's maximum and mean would be idle if one word or one template won everywhere."""
    s = PromptSetting(backbone, MVP(templates=write_two_templates(tmp_path)), count=40)
    w = {name: p.detach() for name, p in s.model.named_parameters()}
    torch.testing.assert_close(s.model(s.batch), s.plain_logits(w))
    with s.model.watching_hidden() as seen:
        s.model(s.batch)
    states = seen.last[torch.arange(80), s.rows()[2]]
    scores = s.model.network.cls(states)
    for own in LABEL_WORDS:
        best = scores[:, [s.number(word) for word in own]].argmax(-1)
        assert 5 < int(best.sum()) < 75
    assert (states[0::2] - states[1::2]).abs().max() > 0.1


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_a_step_of_the_adversarial_one(backbone: Path, tmp_path: Path, variant: str) -> None:
    method = made(f"mvp+adv_embed:{ADV}:variant={variant}:templates={write_two_templates(tmp_path)}")
    s = PromptSetting(backbone, method)
    ids, mask, slots = s.rows()

    def norm(delta: Tensor) -> Tensor:
        """Over a whole templated sequence, padding and template included."""
        return (delta**2).sum((1, 2), keepdim=True).sqrt()

    def expected(w: Weights) -> Tensor:
        def loss(words: Tensor) -> Tensor:
            return cross_entropy(s.logits(w, embedding_layer_from(w, words), mask, slots), s.labels)

        r = torch.rand(*ids.shape, 32, dtype=torch.float64)
        start = (r if variant == "released" else 1.0) * (2 * r - 1)
        start = (start / norm(start)).requires_grad_()
        words = word_vectors(w, ids)
        # The attack reads detached vectors; the table of words still has the gradient of the head that it is tied to.
        first = loss(words.detach() + start)
        (g,) = torch.autograd.grad(first, start, retain_graph=True)
        delta = start.detach() + 1.5 * g / norm(g)
        second = loss(words + torch.where(norm(delta) > 1, delta / norm(delta), delta))
        return second + first if variant == "released" else second

    check_step(s, expected)


@pytest.mark.parametrize(
    ("name", "forward", "backward", "inputs"),
    [
        ("mvp", 4, 4, 0),
        (f"mvp+adv_embed:{ADV}", 8, 4, 4),
        (f"mvp+adv_embed:{ADV}:variant=released", 8, 8, 0),
        ("mvp+roast", 8, 8, 4),
        ("mvp+sam", 8, 8, 0),
    ],
)
def test_an_example_costs_a_pass_for_each_template(
    backbone: Path, name: str, forward: int, backward: int, inputs: int
) -> None:
    passes = PromptSetting(backbone, made(name)).passes()
    assert passes == {"forward": forward, "backward": backward, "input_backward": inputs}


def test_accumulating_changes_nothing(backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(MVP, backbone, tmp_path) < 2e-6


def test_it_learns(backbone: Path, tmp_path: Path) -> None:
    _, position = trainer(MVP(), backbone, tmp_path, epochs=12, learning_rate=3e-3).run()
    assert position.log[-1]["loss"] < 0.3
    assert position.best_accuracy > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in registered() if n not in {"mvp", "lp_ft", "mixup", "soup"}])
def test_it_composes_with_every_method_that_leaves_the_model_alone(backbone: Path, tmp_path: Path, name: str) -> None:
    settings = f":{ADV}" if name == "adv_embed" else ""
    model, position = trainer(made(f"mvp+{name}{settings}"), backbone, tmp_path, epochs=1, batch_size=8).run()
    assert isinstance(model, PromptClassifier)
    assert position.passes["forward"] % 4 == 0
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("family", PROMPTED)
def test_every_family_is_trained_on_perturbed_embeddings_and_cut_hidden_states(
    backbone: Path, tmp_path: Path, family: str
) -> None:
    plain = Backbone(family, f"folder:{family}", "0", write_family(tmp_path, family, backbone))
    prompt = prompt_for(("negative", "positive"), write_two_templates(tmp_path))
    for name, forwards in (("roast", 4), (f"adv_embed:{ADV}", 4), ("hiddencut", 4), ("smart", 8), ("tavat", 4)):
        run = run_steps(lambda name=name: made(name), PromptClassifier.from_backbone(plain, prompt, 24))
        assert run.passes["forward"] == forwards, name
        reached = {n for n, gradient in run.steps[-1].raw.items() if gradient.abs().max() > 0}
        assert run.blocks & reached, name
        # The output layer of these decoders is the table of word embeddings.
        assert len(reached - run.body) > 0 or family in {"gemma", "gemma2", "gemma3_text", "gpt2"}, name


@pytest.mark.parametrize("headed", [True, False])
def test_a_row_runs_from_suite_to_records_or_says_why_it_cannot(
    backbone: Path, tiny_backbone: Path, tmp_path: Path, headed: bool
) -> None:
    work = materialise(load_suite(str(write_tiny_suite(tmp_path, backbone if headed else tiny_backbone))))
    report = run_rows([row_of(work, "mvp")], work, Store(tmp_path / "store"), tmp_path / "results", Quiet())
    records = read_results(tmp_path / "results")[0].records
    if headed:
        assert (report.computed, report.failures) == (8, [])
        assert all(r.record["status"] == "ok" and r.record["cost"]["forward"] % 4 == 0 for r in records)
    else:
        assert len(report.failures) == 1
        reasons = {r.record["reason"] for r in records}
        assert all("no masked-LM head" in reason and str(tiny_backbone) not in reason for reason in reasons)


def test_linear_probing_first_is_refused(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"setup.*no output layer that could be fitted"):
        trainer(made("mvp+lp_ft"), backbone, tmp_path).run()


def test_a_backbone_without_a_head_is_refused_before_training(tiny_backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"build_model: .*no masked-LM head"):
        trainer(MVP(), tiny_backbone, tmp_path).run()


def test_what_it_reads_is_the_templates_and_a_packaged_head(backbone: Path, tmp_path: Path) -> None:
    plain = Backbone("tiny", "folder:tiny", "0", backbone)
    shipped = MVP().reads(plain)
    assert set(shipped) == {"templates"}
    mine = MVP(templates=write_two_templates(tmp_path)).reads(plain)
    assert mine["templates"] != shipped["templates"]
    packaged = MVP().reads(Backbone("minilm", "artifact:minilm", "0", backbone))
    assert any(name != "templates" and digest.startswith("sha256:") for name, digest in packaged.items())
    assert made("mvp+roast").reads(plain) == {"mvp.templates": shipped["templates"]}


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("sentimental", r"no set of templates 'sentimental'. Did you mean 'sentiment'"),
        ("no/such.toml", "cannot be read"),
    ],
)
def test_templates_that_are_not_there_are_refused(bad: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        MVP(templates=bad)
