"""Imports the SDK without SageMaker, in a third of the time.

``stepfunctions`` imports ``sagemaker``, and pandas with it, for its steps of machine learning, of
which a pipeline of telemetry has none. The command ``etl`` begins with :func:`skip_sagemaker`; a
notebook does not, and has every step of the SDK.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["skip_sagemaker"]

_PACKAGE = "sagemaker"


def skip_sagemaker() -> None:
    """Let placeholders stand for ``sagemaker`` in this process, unless it is imported already.

    Making an instance of a placeholder raises ``RuntimeError``.
    """
    known = any(isinstance(one, _PlaceholderFinder) for one in sys.meta_path)
    if _PACKAGE not in sys.modules and not known:
        sys.meta_path.insert(0, _PlaceholderFinder())


class _PlaceholderFinder(MetaPathFinder, Loader):
    """Finds a module of placeholders for every module of the package."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return a specification for ``sagemaker`` and what is below it, ``None`` for the rest."""
        del path, target
        if fullname.partition(".")[0] != _PACKAGE:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module every name that is asked of it."""
        module.__dict__["__getattr__"] = _placeholder


def _placeholder(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {"__init__": _refuse})


def _refuse(self: object, *_values: Any, **_named: Any) -> NoReturn:
    raise RuntimeError(f"{type(self).__name__} needs sagemaker, which etl does not import")
