"""Runs the checks in order, and turns an exception of a check into its result.

A check that may not read something does not end the run: the others still report what they find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from etl.aws.cloudformation import stack_status
from etl.aws.target import Target
from etl.deployment.current_state import is_in_use
from etl.doctor.check_result import CheckResult, failed, not_checked
from infrastructure.platform.settings import PlatformSettings
from infrastructure.settings import DeploySettings
from layers.notify import Notify, silent
from telemetry.errors import UserError

__all__ = ["Examination", "Section", "UnusableSettingsError", "run_sections"]

DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)
NOT_OFFERED = frozenset({"UnknownOperationException", "InvalidAction", "UnsupportedOperation"})
"""Error codes of a service, or of the emulator, that doesn't know the call."""
ALLOW_READING = "allow the calls of `etl settings policy doctor`, then run `etl doctor` again"

Settings = tuple[DeploySettings, PlatformSettings | None]
Explain = Callable[[Exception], str | None]
"""Returns the sentence for an expected failure, ``None`` for any other."""


class UnusableSettingsError(UserError):
    """Raised where the settings can't be deployed, by each check that needs them."""


@dataclass
class Examination:
    """One run of the doctor: the pipeline, its settings, and what may be done to it."""

    target: Target
    load_settings: Callable[[], Settings]
    """Raises ``UserError`` where the settings can't be deployed."""
    explain: Explain
    may_create_change_set: bool = False
    may_send_canary: bool = False
    wait_seconds: float = 300.0
    """Longest wait for the canary, and for its trace."""
    _unusable: str | None = field(default=None, repr=False)
    """Message of the error that the settings raised."""

    @property
    def local(self) -> bool:
        """True on this machine's stand-ins."""
        return self.target.local is not None

    @cached_property
    def settings(self) -> Settings:
        """Settings of both stacks. Raises :class:`UnusableSettingsError`."""
        if self._unusable is None:
            try:
                return self.load_settings()
            except UserError as error:
                self._unusable = str(error)
        raise UnusableSettingsError(self._unusable)

    @property
    def platform(self) -> PlatformSettings | None:
        """Settings of the platform stack; ``None`` without one, or where they can't be deployed."""
        try:
            return self.settings[1]
        except UnusableSettingsError:
            return None

    @cached_property
    def account(self) -> str:
        """Number of the account."""
        return self.target.client("sts").get_caller_identity()["Account"]

    @cached_property
    def caller(self) -> str:
        """ARN of the caller, as AWS STS returns it."""
        return self.target.client("sts").get_caller_identity()["Arn"]

    @property
    def region(self) -> str:
        """Name of the region."""
        return self.target.session.region_name

    @cached_property
    def deployed(self) -> bool:
        """True where the stack was created."""
        return is_in_use(stack_status(self.target.client("cloudformation"), self.target.stack))


@dataclass(frozen=True)
class Section:
    """A check by the name that it has where it raises."""

    name: str
    check: Callable[[Examination], Iterator[CheckResult]]


def run_sections(
    examination: Examination, sections: tuple[Section, ...], notify: Notify = silent
) -> Iterator[CheckResult]:
    """Yield the results of each section as they come; ``notify`` receives its name before."""
    for section in sections:
        notify(section.name)
        try:
            yield from section.check(examination)
        except UnusableSettingsError:
            yield not_checked(section.name, "it needs settings that can be deployed")
        except Exception as error:
            result = _of_exception(examination, section.name, error)
            if result is None:
                raise
            yield result


def _of_exception(examination: Examination, name: str, error: Exception) -> CheckResult | None:
    """The result of a check that raised; ``None`` for a bug."""
    from botocore.exceptions import ClientError

    sentence = examination.explain(error)
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        if code in DENIED:
            return not_checked(name, f"you may not call {error.operation_name}", ALLOW_READING)
        if code in NOT_OFFERED or examination.local:
            where = "the emulator" if examination.local else "the service"
            return not_checked(name, f"{where} does not answer {error.operation_name}: {code}")
    if sentence is None:
        return None
    remedy = "fix what the message names, then run `etl doctor` again"
    return failed(name, sentence.strip().rstrip("."), remedy)
