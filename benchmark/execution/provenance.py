"""The environment of a run: libraries and device, but nothing that changes between repeated runs."""

import platform
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scikit-learn", "textattack", "textblob")


def environment() -> dict[str, str]:
    """Return versions, platform and device as text. Time and host name are left out, so that repeated runs agree."""
    import torch

    from benchmark import __version__

    found = {"temper": __version__, "python": platform.python_version(), "threads": str(torch.get_num_threads())}
    found["platform"] = f"{platform.system()}-{platform.machine()}"
    found["device"] = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else torch.backends.cpu.get_cpu_capability()
    )
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
