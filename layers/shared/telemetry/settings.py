"""Typed reading of environment variables.

Every function gets its settings from its environment, which the template writes. A missing or
malformed one is a :class:`~telemetry.errors.ConfigurationError` that names the variable: no retry
can fix it, but the person who reads the message can.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from telemetry.errors import ConfigurationError

__all__ = ["DatabaseSettings", "max_concurrency", "number", "text", "whole_number"]

DEFAULT_CONCURRENCY = 10

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""The modes of libpq, weakest first."""


def text(name: str, default: str | None = None) -> str:
    """The variable's value, stripped.

    Raises :class:`ConfigurationError` where it is absent or blank and has no default.
    """
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ConfigurationError(
            f"The environment variable {name} is not set: the template sets it, so deploy again "
            "or set it on the function."
        )
    return default


def whole_number(name: str, default: int, *, least: int = 0) -> int:
    """The variable as an integer of at least ``least``; ``default`` where it is not set."""
    value = text(name, str(default))
    try:
        result = int(value)
    except ValueError:
        raise ConfigurationError(f"{name} must be a whole number, not {value!r}.") from None
    if result < least:
        raise ConfigurationError(f"{name} must be at least {least}, not {result}.")
    return result


def number(name: str, default: float, *, least: float = 0.0, most: float = float("inf")) -> float:
    """The variable as a number within ``least`` and ``most``; ``default`` where it is not set."""
    value = text(name, str(default))
    try:
        result = float(value)
    except ValueError:
        raise ConfigurationError(f"{name} must be a number, not {value!r}.") from None
    # Written so that NaN, which compares false with everything, is refused as well.
    if not least <= result <= most:
        raise ConfigurationError(f"{name} must lie between {least} and {most}, not {value}.")
    return result


def max_concurrency() -> int:
    """Batches that an execution processes in parallel (``MAX_CONCURRENCY``)."""
    return whole_number("MAX_CONCURRENCY", DEFAULT_CONCURRENCY, least=1)


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Address of PostgreSQL and TLS settings; user and password come from a secret."""

    host: str
    """Host name, address, or the folder of a Unix socket."""
    name: str
    port: int = field(default=5432)
    sslmode: str = "require"
    sslrootcert: str | None = None
    """File with the certificates of the authorities to trust, for ``verify-ca`` and
    ``verify-full``; ``system`` for those of the operating system."""

    @classmethod
    def from_environment(cls) -> DatabaseSettings:
        """Reads ``DATABASE_HOST``, ``_PORT``, ``_NAME``, ``_SSLMODE`` and ``_SSLROOTCERT``.

        A relative ``DATABASE_SSLROOTCERT`` is a file of the function's own zip, as the contract is.
        """
        sslmode = text("DATABASE_SSLMODE", "require")
        if sslmode not in SSL_MODES:
            raise ConfigurationError(
                f"DATABASE_SSLMODE must be one of {', '.join(SSL_MODES)}, not {sslmode!r}."
            )
        return cls(
            host=text("DATABASE_HOST"),
            port=whole_number("DATABASE_PORT", 5432, least=1),
            name=text("DATABASE_NAME"),
            sslmode=sslmode,
            sslrootcert=_certificates(text("DATABASE_SSLROOTCERT", "")),
        )


def _certificates(name: str) -> str | None:
    if not name or name == "system":
        return name or None
    path = os.path.join(os.environ.get("LAMBDA_TASK_ROOT", ""), name)
    if not os.path.isfile(path):
        raise ConfigurationError(f"DATABASE_SSLROOTCERT names {path}, but there is no such file.")
    return path
