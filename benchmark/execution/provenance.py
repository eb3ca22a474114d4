"""What a run was made with: libraries and machine, but nothing that changes from one run to the next."""

import platform
from importlib.metadata import PackageNotFoundError, version

_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scikit-learn", "textattack", "textblob")


def environment() -> dict[str, str]:
    """Versions, platform and device as text; no time and no host name, so that a repeated run says the same."""
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
