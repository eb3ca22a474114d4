"""Find rows whose weights equal vanilla's, since a method without any effect is usually a mistake."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from benchmark.execution.cells import Row, train_spec
from benchmark.execution.registry import MethodRequest, configure, registered
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, fingerprint
from benchmark.training.context import MethodError

VANILLA = "vanilla"


def has_vanilla_weights(row: Row, work: Workload, store: Store) -> bool:
    """Return whether a row's weights equal vanilla's byte for byte, given the same suite, backbone, seed and protocol.

    Return False if either is missing in the store.
    """
    if row.method.name == VANILLA or VANILLA not in registered():
        return False
    request = MethodRequest(VANILLA, {})
    vanilla = replace(row, method=configure(request, request.overrides_of(work.suite.hyperparameters)))
    own, other = _trained(row, work, store), _trained(vanilla, work, store)
    return own is not None and other is not None and _weights(own) == _weights(other)


def vanilla_weight_notes(rows: Sequence[Row], work: Workload, store: Store) -> Iterator[str]:
    """Yield a sentence for each row whose weights equal vanilla's."""
    for row in rows:
        if has_vanilla_weights(row, work, store):
            yield f"{row.label}: its weights are vanilla's, so the method has no effect. Run `temper check` on it."


def _weights(trained: Artifact) -> Mapping[str, str]:
    """Return the hashes of the weights only, since two versions of Temper may write different configurations."""
    return {name: digest for name, digest in trained.files.items() if name.endswith(".safetensors")}


def _trained(row: Row, work: Workload, store: Store) -> Artifact | None:
    try:
        return store.peek("train", fingerprint(train_spec(row, work)))
    except (IntegrityError, MethodError):
        return None
