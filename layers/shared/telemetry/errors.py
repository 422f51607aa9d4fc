"""The exceptions that are expected: those of the functions, and those of the command.

:class:`UserError` is the base of every failure that is not a bug: the command and the control room
print its message instead of a traceback. Below it stands the tree of the functions, whose *names*
the state machine matches::

    TelemetryError
    ├── TransientError              the same call may succeed later: retried with backoff
    │   ├── StorageUnavailableError     S3 throttled, timed out or answered 5xx
    │   ├── QueueUnavailableError       SQS throttled, timed out or answered 5xx
    │   ├── DatabaseUnavailableError    PostgreSQL away, starting, out of connections
    │   ├── DatabaseBusyError           deadlock, serialisation failure, lock timeout
    │   └── SchemaBehindError           table, login and functions are of different versions
    └── PermanentError              repeating it changes nothing: recorded at once
        ├── ContractError               the contract itself is wrong
        ├── ConfigurationError          a setting, secret or permission is missing
        ├── BatchMissingError           the object a reference names is not in S3
        ├── BatchCorruptError           the object can't be read, or was altered
        └── DatabaseRefusedError        PostgreSQL refused the rows or the statement

Lambda reports an exception to Step Functions under its class name, so a ``Retry`` or ``Catch``
that names a class here matches exactly that class and nothing below it. :func:`names_of` lists
a whole branch; the state machine's lists are built with it and can't drift from the code.
"""

from __future__ import annotations

__all__ = [
    "BatchCorruptError",
    "BatchMissingError",
    "ConfigurationError",
    "ContractError",
    "DatabaseBusyError",
    "DatabaseRefusedError",
    "DatabaseUnavailableError",
    "PermanentError",
    "QueueUnavailableError",
    "SchemaBehindError",
    "StorageUnavailableError",
    "TelemetryError",
    "TransientError",
    "UserError",
    "names_of",
]


class UserError(Exception):
    """Raised for an expected failure; its message tells the user what is wrong and what to do."""


class TelemetryError(UserError):
    """Raised for failures that this pipeline expects; the message says what to do next."""


class TransientError(TelemetryError):
    """Raised when the same call may well succeed later."""


class StorageUnavailableError(TransientError):
    """Raised when S3 throttles, times out or answers with a server error."""


class QueueUnavailableError(TransientError):
    """Raised when SQS throttles, times out or answers with a server error."""


class DatabaseUnavailableError(TransientError):
    """Raised when PostgreSQL can't be reached or has no connection to give."""


class DatabaseBusyError(TransientError):
    """Raised when PostgreSQL gave up on this transaction in favour of another one."""


class SchemaBehindError(TransientError):
    """Raised when the database lacks what the functions of this version need, or the other way
    round: a deployment brings them together. The sweep gives up only after some hours."""


class PermanentError(TelemetryError):
    """Raised when repeating the call can't change the result."""


class ContractError(PermanentError):
    """Raised when a contract can't be read; the message names file, key and remedy."""


class ConfigurationError(PermanentError):
    """Raised when a setting, a secret or a permission is missing."""


class BatchMissingError(PermanentError):
    """Raised when the object that a reference names is not in S3."""


class BatchCorruptError(PermanentError):
    """Raised when a staged object can't be read, or holds other bytes than were written."""


class DatabaseRefusedError(PermanentError):
    """Raised when PostgreSQL refuses the rows or the statement permanently."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        """``sqlstate``: the server's code; empty where there is none, or none is known."""
        super().__init__(message)
        self.sqlstate = sqlstate


def names_of(branch: type[TelemetryError]) -> list[str]:
    """Class names of a branch of the tree, the branch itself first, in a stable order."""
    names = [branch.__name__]
    for child in branch.__subclasses__():
        names.extend(names_of(child))
    return names
