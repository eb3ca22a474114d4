"""WiSE-FT's interpolation against its equation."""

from pathlib import Path

import pytest
import torch

from benchmark.training.composition import compose
from methods.mvp import MVP
from methods.wise_ft import WiSEFT
from tests.support.steps import Setting
from tests.support.tiny import trainer, weights, write_tiny_masked_lm
from tests.support.updates import assert_equal, batches_of, current, one_step, start


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_the_body_is_interpolated_and_the_new_head_is_as_trained(tiny_backbone: Path, alpha: float) -> None:
    s = Setting(tiny_backbone, WiSEFT(alpha=alpha))
    start(s)
    pretrained = current(s)
    for batch in batches_of(s, [6, 6]):
        one_step(s, [batch])
    tuned = current(s)
    s.method.finish(s.context)
    head = {name for name in tuned if name.startswith("network.classifier")}
    assert len(head) == 2
    want = {n: tuned[n] if n in head else (1 - alpha) * pretrained[n] + alpha * tuned[n] for n in tuned}
    assert_equal(current(s), want)
    assert any(not torch.equal(pretrained[name], tuned[name]) for name in tuned if name not in head)


def test_a_pretrained_head_is_interpolated_too(tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    tiny_masked_lm = write_tiny_masked_lm(tmp_path / "backbone")

    def trained(members: list) -> dict[str, torch.Tensor]:
        model, _ = trainer(compose(members)(), tiny_masked_lm, tmp_path / f"{len(members)}", epochs=1).run()
        return weights(model)

    first = trainer(MVP(), tiny_masked_lm, tmp_path / "first").model
    pretrained = {name: value.clone() for name, value in weights(first).items()}
    model, _ = trainer(MVP(), tiny_masked_lm, tmp_path / "mvp", epochs=1).run()
    tuned, got = weights(model), trained([MVP, WiSEFT])
    for name, value in got.items():
        torch.testing.assert_close(value, (pretrained[name] + tuned[name]) / 2, rtol=1e-6, atol=1e-7)
    assert any(not torch.equal(pretrained[name], tuned[name]) for name in tuned if "predictions.transform" in name)


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, WiSEFT()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}
