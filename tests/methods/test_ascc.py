"""ASCC's step and its inner attack against their equations, and what the attack must hold to."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.schema.errors import UsageError
from benchmark.training.toolbox.convex_hull import Hull, SparseAttack
from benchmark.training.toolbox.substitutes import Substitutes
from methods.ascc import ASCC
from tests.support.plain_bert import Weights, cross_entropy, word_vectors
from tests.support.steps import Setting, check_step
from tests.support.swaps import (
    attacked_shares,
    divergence,
    marked_setting,
    moved_words,
    plain_logits,
    shaken,
    swappable,
    write_neighbours,
)


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_neighbours(tmp_path_factory.mktemp("lexicon"))


def hull_of(s: Setting, lexicon: str) -> Hull:
    return Hull.of_words(s.model, s.batch, Substitutes.read(s.model, lexicon, 0.7))


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_one_step(tiny_backbone: Path, lexicon: str, variant: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(steps=3, rate=0.7, kl_weight=2.5, lexicon=lexicon, variant=variant))
    assert len(swappable(s)) > 10

    def expected(w: Weights) -> Tensor:
        # The release pads every text to one length, and takes the mean over all positions.
        divisor = len(swappable(s)) if variant == "paper" else len(s.ids) * 16
        shares = attacked_shares(s, w, 3, 0.7, 15.0, divisor)
        z = plain_logits(w, word_vectors(w, s.ids), s.mask)
        moved = plain_logits(w, moved_words(w, s.ids, swappable(s), shares), s.mask)
        return cross_entropy(z, s.labels) + 2.5 * divergence(z, moved) / 6

    check_step(s, expected)


def test_passes_of_a_step_are_the_floor(tiny_backbone: Path, lexicon: str) -> None:
    """10 (F + Bx) + F + 2 (F + Bp) = 27 units, 9 times vanilla's 3."""
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    assert s.passes() == {"forward": 13, "backward": 2, "input_backward": 10}


def test_the_attack_sees_no_dropout_and_training_does(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(steps=2, lexicon=lexicon))
    modes: list[bool] = []
    handle = s.model.network.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    s.run_backward()
    handle.remove()
    assert modes == [False] * 3 + [True] * 2
    assert all(module.training for module in s.model.modules())


def test_the_attack_leaves_no_gradient_on_any_parameter(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    shares = SparseAttack(3, 1.0, 15.0).shares(s.model, s.batch, s.context, hull_of(s, lexicon), 10.0)
    assert not shares.requires_grad
    assert all(p.grad is None for p in s.model.parameters())


def test_shares_are_a_combination_of_valid_choices_only(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    hull = hull_of(s, lexicon)
    shares = SparseAttack(10, 10.0, 15.0).shares(s.model, s.batch, s.context, hull, 10.0)
    assert (~hull.valid).any()
    assert shares[~hull.valid].max() < 1e-60
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(1), torch.ones(len(shares)).double())


def test_the_attack_climbs_and_the_sparsity_sharpens(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    # A fresh body hardly tells words apart.
    shaken(s, 0.2)
    hull = hull_of(s, lexicon)

    def found(steps: int, sparsity: float) -> tuple[float, float]:
        torch.manual_seed(0)
        attack = SparseAttack(steps, 1e-9 if steps == 1 else 1.0, sparsity)
        shares = attack.shares(s.model, s.batch, s.context, hull, float(len(hull.valid)))
        with torch.no_grad():
            far = divergence(s.model(s.batch), s.model(s.batch, **hull.at(shares)))
        return float(far), float(-(shares * shares.clamp(min=1e-300).log()).sum())

    start, free, sparse = found(1, 0.0), found(10, 0.0), found(10, 15.0)
    assert free[0] > 2 * start[0]
    assert sparse[0] > 2 * start[0]
    assert sparse[1] < 0.1 * free[1]


def test_a_word_that_keeps_to_itself_is_itself(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    hull = hull_of(s, lexicon)
    only = torch.zeros_like(hull.valid, dtype=torch.float64)
    only[:, 0] = 1.0
    assert torch.equal(hull.at(only)["words"], s.model.embed_words(s.batch))


def test_the_start_is_kaimings_normal_over_length_and_choices(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(lexicon=lexicon))
    hull, length = hull_of(s, lexicon), s.ids.shape[1]
    drawn = torch.stack([hull.start() for _ in range(200)])
    whole = torch.nn.init.kaiming_normal_(torch.empty(6, length, 10, dtype=torch.float64))
    torch.testing.assert_close(drawn.std(), whole.std(), rtol=0.1, atol=0)


def test_without_substitutes_the_adversarial_text_is_the_clean_one(tiny_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    s = marked_setting(tiny_backbone, ASCC(lexicon=str(tmp_path / "none.json")))
    check_step(s, lambda w: cross_entropy(plain_logits(w, word_vectors(w, s.ids), s.mask), s.labels))
    assert s.passes() == {"forward": 2, "backward": 2, "input_backward": 0}


def test_an_unknown_lexicon_names_the_nearest(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, ASCC(lexicon="counterfitted-glove-wordnt"))
    with pytest.raises(UsageError, match="Did you mean 'counterfitted-glove-wordnet'"):
        s.run_backward()
