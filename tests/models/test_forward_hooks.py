"""Tests that modules are replaced and outputs recorded temporarily."""

import pytest
import torch
from torch import nn

from benchmark.models.forward_hooks import ConstantOutput, first_output, replaced


def test_pass_ends_after_the_module() -> None:
    called: list[str] = []
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    network[1].register_forward_hook(lambda *_: called.append("second"))
    x = torch.ones(4, 2)
    torch.testing.assert_close(first_output(network[0], lambda: network(x)), network[0](x))
    assert called == []
    assert not network[0]._forward_hooks


def test_a_module_that_is_never_called_is_named() -> None:
    unused = nn.Tanh()
    with pytest.raises(RuntimeError, match="calls Tanh 0 times, and not 1 times"):
        first_output(unused, lambda: None)
    assert not unused._forward_hooks


def test_a_replaced_module_comes_back_after_an_error() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    original = network[0]
    with pytest.raises(ZeroDivisionError), replaced(network, "0", ConstantOutput(torch.zeros(1))):
        assert torch.equal(network(torch.ones(4, 2)), torch.zeros(1))
        _ = 1 / 0
    assert network[0] is original
