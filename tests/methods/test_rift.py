"""RIFT's step, its contrast with the teacher and its batches against their equations."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.data import Example
from benchmark.schema.errors import UsageError
from benchmark.testing.subject import Killed
from benchmark.training.optimization import parameter_groups
from benchmark.training.toolbox.convex_hull import Hull
from benchmark.training.toolbox.substitutes import Substitutes
from methods.rift import RIFT, Teacher, info_nce
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting, check_step
from tests.support.swaps import (
    attacked_shares,
    divergence,
    marked_setting,
    mixed_embeddings,
    moved_words,
    plain_logits,
    released_shares,
    shaken,
    swappable,
    texts_of_choices,
    write_neighbours,
)
from tests.support.tiny import trainer


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_neighbours(tmp_path_factory.mktemp("lexicon"))


def started(backbone: Path, method: RIFT) -> tuple[Setting, Weights]:
    """With a student that is no longer where its teacher is, and the teacher's weights."""
    s = marked_setting(backbone, method)
    old = shaken(s, 0.2)
    method.build_optimizer(parameter_groups(s.model, s.context.recipe), s.context)
    shaken(s, 0.05)
    return s, old


def projected(c: Weights, side: str, label: int, x: Tensor) -> Tensor:
    base = f"{side}.{label}"
    hidden = torch.clamp(c[f"{base}.0.weight"] @ x + c[f"{base}.0.bias"], min=0)
    out = c[f"{base}.2.weight"] @ hidden + c[f"{base}.2.bias"]
    return out / (out**2).sum().sqrt()


def contrast(c: Weights, students: Tensor, teachers: Tensor, labels: list[int]) -> Tensor:
    """Mean over classes of minus the mean log-probability of a teacher's own student among the class's students."""
    losses = []
    for label in sorted(set(labels)):
        own = [i for i, y in enumerate(labels) if y == label]
        s = [projected(c, "student", label, students[i]) for i in own]
        t = [projected(c, "teacher", label, teachers[i]) for i in own]
        terms = []
        for at, teacher in enumerate(t):
            scores = torch.stack([(student * teacher).sum() / 0.2 for student in s])
            terms.append(scores[at] - scores.exp().sum().log())
        losses.append(-torch.stack(terms).mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_one_step_of_model_and_projections(tiny_backbone: Path, lexicon: str, variant: str) -> None:
    """``paper`` moves word vectors; ``released`` mixes outputs of the embedding layer, as models/AdvPLM.py does."""
    method = RIFT(steps=2, rate=0.7, kl_weight=3.0, mi_weight=0.8, lexicon=lexicon, variant=variant)
    s, old = started(tiny_backbone, method)
    c = {name: p.detach().clone().requires_grad_() for name, p in method._contrast.named_parameters()}
    of_projections: list[dict[str, Tensor]] = []

    def embedded(w: Weights) -> Tensor:
        if variant == "released":
            return mixed_embeddings(w, texts_of_choices(s)[0], released_shares(s, w, 2, 0.7))
        shares = attacked_shares(s, w, 2, 0.7, 15.0, len(swappable(s)))
        return embedding_layer_from(w, moved_words(w, s.ids, swappable(s), shares))

    def expected(w: Weights) -> Tensor:
        adversarial = embedded(w)
        pretrained, student = [], []
        with torch.no_grad():
            plain_logits(old, word_vectors(old, s.ids), s.mask, seen=pretrained)
        z = plain_logits(w, word_vectors(w, s.ids), s.mask)
        moved = logits_from(w, adversarial, s.mask, 2, 2, seen=student)
        kept = contrast(c, student[-1][:, 0], pretrained[-1][:, 0], s.labels.tolist())
        total = cross_entropy(z, s.labels) + 3.0 * divergence(z, moved) / 6 + 0.8 * kept
        of_projections.append(
            dict(zip(c, torch.autograd.grad(total, list(c.values()), retain_graph=True), strict=True))
        )
        return total

    check_step(s, expected)
    for name, parameter in method._contrast.named_parameters():
        assert of_projections[0][name].abs().max() > 1e-6
        torch.testing.assert_close(parameter.grad, of_projections[0][name], rtol=1e-6, atol=1e-10, msg=name)


def test_the_two_hulls_are_not_the_same(tiny_backbone: Path, lexicon: str) -> None:
    """Normalisation rescales a mixture of word vectors, so the step test tells the variants apart."""
    s, _ = started(tiny_backbone, RIFT(lexicon=lexicon))
    substitutes = Substitutes.read(s.model, lexicon, 0.7)
    words, embeddings = (make(s.model, s.batch, substitutes) for make in (Hull.of_words, Hull.of_embeddings))
    half = words.valid.double() / words.valid.sum(1, keepdim=True)
    assert torch.equal(words.valid, embeddings.valid)
    with torch.no_grad():
        first, second = (s.model(s.batch, **hull.at(half)) for hull in (words, embeddings))
    assert (first - second).abs().max() > 1e-3


def test_the_releases_choices_are_each_dropped_out_by_themselves(tiny_backbone: Path, lexicon: str) -> None:
    """The release embeds ten texts in training mode; its attack embeds them without dropout."""
    s = marked_setting(tiny_backbone, RIFT(steps=1, lexicon=lexicon, variant="released"))
    embeddings = s.model.body.embeddings
    embeddings.dropout.p = 0.5
    hull = Hull.of_embeddings(s.model, s.batch, Substitutes.read(s.model, lexicon, 0.7))
    assert torch.equal(hull.choices[:, 0], hull.points[hull.where])
    dropped = (hull.choices == 0).double()
    assert 0.4 < dropped.mean() < 0.6
    assert 0.4 < (dropped[:, 0] != dropped[:, 1]).double().mean() < 0.6

    s.method.build_optimizer(parameter_groups(s.model, s.context.recipe), s.context)
    modes: list[bool] = []
    handle = embeddings.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    s.run_backward()
    handle.remove()
    attack, teacher, clean, adversarial, student = [False] * 10, [False], [True], [True] * 10, [True] * 10
    assert modes == [*attack, *adversarial, *teacher, *clean, *student]


def test_info_nce_by_hand() -> None:
    """Cosines 1 0 / 0.6 0.8 over 0.2; each column is a teacher."""
    student, teacher = torch.tensor([[2.0, 0.0], [3.0, 4.0]]), torch.tensor([[5.0, 0.0], [0.0, 1.0]])
    first, second = np.exp(5.0) / (np.exp(5.0) + np.exp(3.0)), np.exp(4.0) / (np.exp(0.0) + np.exp(4.0))
    assert info_nce(student, teacher, 0.2).item() == pytest.approx(-(np.log(first) + np.log(second)) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("variant", "passes"),
    [
        # 10 (F + Bx) + F + 2 (F + Bp) + F of the teacher = 28 units, 9.33 times vanilla's 3.
        ("paper", {"forward": 14, "backward": 2, "input_backward": 10}),
        ("released", {"forward": 15, "backward": 3, "input_backward": 10}),
    ],
)
def test_passes_of_a_step(tiny_backbone: Path, lexicon: str, variant: str, passes: dict) -> None:
    s, _ = started(tiny_backbone, RIFT(lexicon=lexicon, variant=variant))
    assert s.passes() == passes
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in s.model.modules())


def test_the_teacher_has_no_dropout_and_the_student_has(tiny_backbone: Path, lexicon: str) -> None:
    s, _ = started(tiny_backbone, RIFT(steps=2, lexicon=lexicon))
    modes: list[bool] = []
    handle = s.model.network.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    s.run_backward()
    handle.remove()
    assert modes == [False] * 3 + [False] + [True] * 2


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_gradients_in_bfloat16_are_those_in_float32_but_for_rounding(
    tiny_backbone: Path, lexicon: str, variant: str
) -> None:
    """Passes without a graph must not leave weights behind, cast once and for all, that later passes take."""
    found = []
    for autocast in (False, True):
        s, _ = started(tiny_backbone, RIFT(steps=1, rate=1e-6, lexicon=lexicon, variant=variant))
        s.model.float()
        s.method._contrast.float()
        s.method._teacher = Teacher(s.model)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            s.run_backward()
        found.append(torch.cat([p.grad.flatten() for p in s.model.parameters()]))
    assert not torch.equal(*found)
    assert (found[0] - found[1]).norm() < 0.1 * found[0].norm()


def test_the_projections_are_trained_with_their_own_decay(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, RIFT(lexicon=lexicon))
    optimizer = s.method.build_optimizer(parameter_groups(s.model, s.context.recipe), s.context)
    *_, last = optimizer.param_groups
    assert {id(p) for p in last["params"]} == {id(p) for p in s.method._contrast.parameters()}
    assert last["weight_decay"] == 2e-4
    shapes = [tuple(p.shape) for name, p in s.method._contrast.named_parameters() if name.startswith("teacher.1")]
    assert shapes == [(512, 32), (512,), (256, 512), (256,)]


def labelled(counts: dict[int, int]) -> list[Example]:
    return [Example(f"{label}-{i}", ("a",), label) for label, count in counts.items() for i in range(count)]


def test_batches_hold_as_many_of_each_class() -> None:
    data = labelled({0: 23, 1: 9, 2: 4})
    made = list(RIFT().batches(data, 8, np.random.default_rng(0)))
    assert len(made) == 6  # 36 examples in batches of 3 x 2
    for rows in made:
        assert Counter(data[row].label for row in rows) == {0: 2, 1: 2, 2: 2}
    seen = Counter(row for rows in made for row in rows)
    # Twelve of each: the smallest class goes round three times, none of the largest comes twice.
    assert {label: sorted(n for row, n in seen.items() if data[row].label == label) for label in range(3)} == {
        0: [1] * 12,
        1: [1] * 6 + [2] * 3,
        2: [3] * 4,
    }


def test_balanced_data_is_seen_once_an_epoch_and_in_another_order_each_time() -> None:
    data = labelled({0: 12, 1: 12})
    first, again, other = (list(RIFT().batches(data, 8, np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert sorted(row for rows in first for row in rows) == list(range(24))
    assert first == again
    assert first != other


def test_an_epoch_of_the_release_ends_with_its_smallest_class() -> None:
    """rift_train.py zips one shuffled loader per class, each with its last, smaller batch."""
    data, method = labelled({0: 23, 1: 9, 2: 5}), RIFT(variant="released")
    made = list(method.batches(data, 8, np.random.default_rng(0)))
    assert [Counter(data[row].label for row in rows) for rows in made] == [{0: 2, 1: 2, 2: 2}] * 2 + [
        {0: 2, 1: 2, 2: 1}
    ]
    seen = [row for rows in made for row in rows]
    assert len(set(seen)) == len(seen)
    assert {row for row in seen if data[row].label == 2} == {32, 33, 34, 35, 36}
    assert made != list(method.batches(data, 8, np.random.default_rng(1)))


def test_a_batch_without_two_of_each_class_is_refused() -> None:
    with pytest.raises(UsageError, match="3 classes need batch_size >= 6"):
        list(RIFT().batches(labelled({0: 4, 1: 4, 2: 4}), 5, np.random.default_rng(0)))


def test_a_resumed_run_has_the_teacher_without_storing_it(tiny_backbone: Path, tmp_path: Path, lexicon: str) -> None:
    whole = trainer(RIFT(steps=1, lexicon=lexicon), tiny_backbone, tmp_path / "whole", epochs=1)
    whole.run()
    cut = trainer(RIFT(steps=1, lexicon=lexicon), tiny_backbone, tmp_path / "cut", epochs=1)

    def report(done: int, _total: int) -> None:
        if done == 3:
            raise Killed

    cut.checkpoint_seconds, cut.report = 0.0, report
    with pytest.raises(Killed):
        cut.run()
    resumed = trainer(RIFT(steps=1, lexicon=lexicon), tiny_backbone, tmp_path / "cut", epochs=1)
    resumed.run()
    assert set(resumed.method.state_dict()) == set(resumed.method._contrast.state_dict())
    kept, found = whole.method._teacher._weights, resumed.method._teacher._weights
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[name], found[name]) for name in kept)
    moved = dict(whole.model.named_parameters())
    assert any(not torch.equal(kept[name], moved[name]) for name in kept)
