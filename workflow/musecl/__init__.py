"""Region embeddings from imagery, POIs and mobility (MuseCL, Yong and Zhou, IJCAI 2024).

What a notebook uses. A name's module is imported when the name is first asked for: `import musecl`
costs nothing, and who only reads results needs neither PyTorch nor an engine.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for editors and type checkers
    from musecl.analysis.judging import evaluate_vectors
    from musecl.analysis.maps import plot_map
    from musecl.analysis.results import Results, load_results
    from musecl.analysis.similar import similar_regions
    from musecl.model.model import Embedded, Model
    from musecl.model.reading import load_model
    from musecl.runtime.errors import InputError, MuseclError

_MODULE_OF = {
    "load_results": "musecl.analysis.results",
    "Results": "musecl.analysis.results",
    "plot_map": "musecl.analysis.maps",
    "similar_regions": "musecl.analysis.similar",
    "evaluate_vectors": "musecl.analysis.judging",
    "load_model": "musecl.model.reading",
    "Model": "musecl.model.model",
    "Embedded": "musecl.model.model",
    "MuseclError": "musecl.runtime.errors",
    "InputError": "musecl.runtime.errors",
}

__all__ = [
    "Embedded",
    "InputError",
    "Model",
    "MuseclError",
    "Results",
    "evaluate_vectors",
    "load_model",
    "load_results",
    "plot_map",
    "similar_regions",
]


def __getattr__(name: str) -> Any:
    """Import the module of a public name (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'musecl' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"musecl.{name} needs {error.name}, which is not installed; "
            "pip install 'musecl[embed]' brings what trained models take"
        ) from error


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
