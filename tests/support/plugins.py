"""Remove the plugins that a test or a command has registered for its process."""

import sys


def forget_plugins() -> None:
    """Empty the registry of plugins, which lives as long as the process does."""
    # Looked up, so that tests without plugins do not import it.
    if registry := sys.modules.get("benchmark.execution.method_registry"):
        registry._plugins.clear()
        registry.registered.cache_clear()
    if plugins := sys.modules.get("benchmark.execution.plugins"):
        plugins._texts.clear()
