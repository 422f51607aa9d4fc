"""Loads the user's ``customize(workflow)`` and builds the definition that a deployment has.

The file runs on the machine that plans or deploys, with the permissions of whoever does; nothing
of it is packaged.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from etl.aws.partition import partition_of
from infrastructure.settings import DeploySettings
from telemetry.errors import UserError
from workflow.definition import definition_json, in_partition
from workflow.editor import Customize, customized
from workflow.own_states import FUNCTION_ARN, FUNCTION_NAME, CustomizationError

__all__ = ["deployed_definition", "load_customization", "own_function_arns", "previewed_definition"]

FUNCTION = "customize"
ANY_ACCOUNT = "000000000000"
ANY_REGION = "us-east-1"


def deployed_definition(settings: DeploySettings, *, account: str, region: str) -> dict[str, Any]:
    """Return the definition as a deployment to this account and region has it.

    Raises ``CustomizationError`` and ``DefinitionError``.
    """
    partition = partition_of(region)
    plain = definition_json(settings.definition)
    if settings.customization is not None:
        customize = load_customization(settings.customization)
        arns = own_function_arns(settings.own_functions, account=account, region=region)
        plain = customized(plain, customize, arns)
    found: dict[str, Any] = in_partition(plain, partition)
    return found


def previewed_definition(settings: DeploySettings, region: str | None) -> dict[str, Any]:
    """Return the definition without asking AWS: the account of functions given by name is made up.

    ``region``: ``None`` where the settings have none. Raises what :func:`deployed_definition`
    raises.
    """
    named = [arn.split(":")[3] for arn in settings.own_functions.values() if arn.count(":") > 5]
    return deployed_definition(
        settings, account=ANY_ACCOUNT, region=region or next(iter(named), ANY_REGION)
    )


def own_function_arns(functions: Mapping[str, str], *, account: str, region: str) -> dict[str, str]:
    """Return the ARNs of functions that are given by name or by ARN.

    A name is that of a function of this account and region. Raises ``CustomizationError`` for
    anything else, and for a function of another region, which a state machine can't invoke.
    """
    start = f"arn:{partition_of(region)}:lambda:{region}:"
    found: dict[str, str] = {}
    for name, value in functions.items():
        arn = f"{start}{account}:function:{value}" if FUNCTION_NAME.fullmatch(value) else value
        if not FUNCTION_ARN.fullmatch(arn):
            raise CustomizationError(
                f"own_functions.{name}: {value!r} is neither the name nor the ARN of a function."
            )
        if not arn.startswith(start):
            raise CustomizationError(
                f"own_functions.{name}: a state machine in {region} can't invoke {arn}, which is "
                "in another region: deploy the function there, too."
            )
        found[name] = arn
    return found


def load_customization(path: Path) -> Customize:
    """Return the function ``customize`` of a file, which calls it as it is.

    Where the file or the function raises anything but a ``UserError``, the function raises
    ``CustomizationError`` with the file's line; so does this for a file without the function.
    """
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        source = path.read_text(encoding="utf-8")
        # The user's own file, named by the user's own settings. No import: nothing is written
        # beside it, and its name can't hide a package.
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102
    except Exception as error:
        raise _explained(path, error) from error
    function = module.__dict__.get(FUNCTION)
    if not callable(function):
        raise CustomizationError(f"{path} has no function {FUNCTION}(workflow).")

    def customize(workflow: Any) -> None:
        try:
            function(workflow)
        except UserError:
            raise
        except Exception as error:
            raise _explained(path, error) from error

    return customize


def _explained(path: Path, error: Exception) -> UserError:
    """The error with its line in the user's file; one that explains itself stays as it is."""
    if isinstance(error, UserError):
        return error
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    where = f"{path}, line {line}" if line else str(path)
    return CustomizationError(f"{where}: {type(error).__name__}: {error}")
