"""Work in pieces reaches every entry once, and changes no result."""

import pytest
import torch

from benchmark.training.toolbox.chunked import in_chunks
from benchmark.training.toolbox.init_weights import Origin

MOST = 2**18
SHAPES = [(3,), (700, 600), (MOST,), (0, 5), (17, 2, 3), (MOST - 1,), (1,)]


def test_pieces_are_views_in_order_and_none_is_too_large() -> None:
    tensors = [torch.zeros(shape) for shape in SHAPES]
    numbers, start = [], 0
    for tensor in tensors:
        numbers.append(torch.arange(start, start + tensor.numel()).view(tensor.shape))
        start += tensor.numel()
    met = []
    for pieces, marks in in_chunks(tensors, numbers):
        assert 0 < sum(piece.numel() for piece in pieces) <= MOST
        assert [piece.shape for piece in pieces] == [mark.shape for mark in marks]
        torch._foreach_add_(pieces, 1.0)
        met += marks
    assert torch.equal(torch.cat(met), torch.arange(start))
    assert all(bool((tensor == 1).all()) for tensor in tensors)


def test_nothing_has_no_pieces_and_lists_must_be_of_one_length() -> None:
    assert list(in_chunks([])) == []
    with pytest.raises(ValueError, match="zip"):
        list(in_chunks([torch.zeros(2)], []))
    with pytest.raises(ValueError, match="zip"):
        list(in_chunks([torch.zeros(MOST + 1)], [torch.zeros(2)]))


def test_a_pull_in_chunks_is_that_of_the_whole() -> None:
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    origin = Origin(parameters, [torch.randn(shape) for shape in SHAPES])
    for parameter in parameters[1:]:
        parameter.grad = torch.randn_like(parameter)
    want = [p.grad + 0.02 * (p.detach() - v) for p, v in zip(parameters[1:], origin.values[1:], strict=True)]
    origin.pull_gradients(0.02)
    assert parameters[0].grad is None
    for parameter, expected in zip(parameters[1:], want, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=0, atol=2**-22)
