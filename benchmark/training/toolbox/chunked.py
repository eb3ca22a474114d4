"""Element-wise work over a whole model, in chunks that stay in the cache."""

from collections.abc import Iterator, Sequence

from torch import Tensor


def in_chunks(*lists: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], ...]]:
    """Iterate over lists of tensors together, as flat views of at most a quarter of a million entries.

    Work that needs temporaries is done fastest that way: they stay in the cache, and none is as large as the model. On
    an accelerator a round takes up to 2^26 entries, since there each operation costs a launch.

    Args:
        lists: Of equal length; tensors in the same place have the same number of entries and are contiguous.

    Yields:
        For each list the views of this round, which foreach operations take.
    """
    most = 2**18 if all(t.device.type == "cpu" for t in lists[0]) else 2**26
    taken: tuple[list[Tensor], ...] = tuple([] for _ in lists)
    size = 0
    for tensors in zip(*lists, strict=True):
        for pieces in zip(*(t.view(-1).split(most) for t in tensors), strict=True):
            if size and size + pieces[0].numel() > most:
                yield taken
                taken, size = tuple([] for _ in lists), 0
            for own, piece in zip(taken, pieces, strict=True):
                own.append(piece)
            size += pieces[0].numel()
    if size:
        yield taken
