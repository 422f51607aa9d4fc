"""A notification as plain data: the one text that every channel renders.

It is made from a message of the alert topic: an alarm's change of state
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html),
or the text that the state machine publishes. Alarms and texts may quote what a
device sent, so every text is made printable and short here, before any channel sees it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from telemetry.alarm_text import commands_of, first_step_of, headline_of, runbook_of
from telemetry.escaping import escape_line

__all__ = ["Figure", "Kind", "Notification", "Place", "parse_record", "test_notification"]

Kind = Literal["firing", "resolved", "recovered", "message", "test"]
"""``recovered``: an alarm is OK that was not known to fire, as after its creation."""
Severity = Literal["critical", "error", "info"]

LONGEST_HEADLINE, LONGEST_REASON, LONGEST_NAME = 600, 1_000, 255
LOSS = "are lost"
"""Words in the headline of an alarm on readings that are gone, not only late."""
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""Host of CloudWatch's console in each partition; others have none that we know."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number beside the headline."""

    name: str
    """Key in the webhook's JSON, such as ``messages_waiting``."""
    label: str
    value: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """The deployment that sends notifications."""

    pipeline: str
    """Name of the stack."""
    region: str
    runbook_url: str = ""
    """Address of the published site; empty: the runbook is named by its path alone."""
    local: bool = False
    """True on the laptop's emulator, which has no console."""

    def command(self, text: str) -> str:
        """A command with the options that select this pipeline."""
        region = "" if self.local else f"--region {self.region} "
        return f"etl {region}--stack {self.pipeline} {text.removeprefix('etl ')}"

    def runbook(self, section: str) -> str:
        """Link to a section of the runbook; empty where the docs are published nowhere."""
        if not self.runbook_url:
            return ""
        page, _, anchor = section.partition("#")
        link = f"{self.runbook_url.rstrip('/')}/{page.removesuffix('.md')}.html"
        return f"{link}#{quote(anchor)}" if anchor else link


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One event to tell people, with everything that they need to act."""

    id: str
    """Id of the message; the same when it is delivered again."""
    kind: Kind
    pipeline: str
    subject: str
    """Short title: the pipeline, the alarm's name and its state."""
    headline: str
    """A sentence that says what is wrong."""
    since: datetime
    severity: Severity = "error"
    alarm: str = ""
    """Name of the alarm without the stack's; empty for the other kinds."""
    incident: str = ""
    """ARN of the alarm: the same when it fires and when it is resolved."""
    reason: str = ""
    """CloudWatch's explanation; empty where there is none."""
    first_step: str = ""
    commands: tuple[str, ...] = ()
    runbook: str = ""
    """Page and section of the runbook."""
    runbook_url: str = ""
    console_url: str = ""
    figures: tuple[Figure, ...] = field(default=())

    @property
    def since_text(self) -> str:
        """The time in UTC, to the second."""
        return f"{self.since:%Y-%m-%d %H:%M:%S} UTC"

    def with_figures(self, figures: tuple[Figure, ...]) -> Notification:
        """The same notification with these figures."""
        return replace(self, figures=figures)


def parse_record(record: dict[str, Any], place: Place) -> Notification:
    """Read one record of SNS. A message of no alarm has the kind ``message``."""
    sent: dict[str, Any] = record["Sns"]
    text = str(sent.get("Message") or "")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and "NewStateValue" in content:
        return _alarm(content, sent, place)
    subject = _short(sent.get("Subject") or "Message", LONGEST_NAME)
    return Notification(
        id=str(sent.get("MessageId") or ""),
        kind="message",
        pipeline=place.pipeline,
        subject=f"{place.pipeline}: {subject}",
        headline=_short(text, LONGEST_HEADLINE) or "The message has no text.",
        since=_time(sent.get("Timestamp"), None),
        commands=(place.command("executions"),),
        runbook="docs/runbook.md",
        runbook_url=place.runbook("docs/runbook.md"),
    )


def test_notification(place: Place, message: str, now: datetime) -> Notification:
    """A notification that nothing is behind, for `etl channels test`; ``message``: its id."""
    return Notification(
        id=message,
        kind="test",
        severity="info",
        pipeline=place.pipeline,
        subject=f"{place.pipeline}: test of this channel",
        headline="This is a test: nothing is wrong, and nothing is to be done.",
        since=now,
        incident=f"test:{place.pipeline}:{message}",
        commands=(place.command("status"),),
    )


# pytest would collect it as a test wherever it is imported.
test_notification.__test__ = False  # type: ignore[attr-defined]


def _alarm(content: dict[str, Any], sent: dict[str, Any], place: Place) -> Notification:
    full = _short(content.get("AlarmName"), LONGEST_NAME)
    name = full.removeprefix(f"{place.pipeline}-")
    description = _short(content.get("AlarmDescription"), LONGEST_REASON + LONGEST_HEADLINE)
    kind = _kind(content)
    headline = _short(headline_of(description, name), LONGEST_HEADLINE)
    first = first_step_of(description)
    section = runbook_of(description, name)
    arn = _short(content.get("AlarmArn"), LONGEST_REASON)
    return Notification(
        id=str(sent.get("MessageId") or ""),
        kind=kind,
        severity="critical" if LOSS in headline else "error",
        pipeline=place.pipeline,
        subject=f"{place.pipeline}: {name} is {'firing' if kind == 'firing' else 'resolved'}",
        headline=headline if kind == "firing" else f"Resolved: {headline}",
        since=_time(content.get("StateChangeTime"), sent.get("Timestamp")),
        alarm=name,
        incident=arn or f"alarm:{full}",
        reason=_short(content.get("NewStateReason"), LONGEST_REASON),
        first_step=first if kind == "firing" else "",
        commands=tuple(place.command(one) for one in commands_of(first) if kind == "firing"),
        runbook=section,
        runbook_url=place.runbook(section),
        console_url=_console(arn, full, place),
    )


def _kind(content: dict[str, Any]) -> Kind:
    if content["NewStateValue"] == "ALARM":
        return "firing"
    return "resolved" if content.get("OldStateValue") == "ALARM" else "recovered"


def _console(arn: str, name: str, place: Place) -> str:
    """Link to the alarm in CloudWatch; empty on the laptop and in unknown partitions."""
    parts = arn.split(":")
    host = CONSOLES.get(parts[1]) if len(parts) > 5 else None
    if host is None or place.local:
        return ""
    region = quote(parts[3], safe="")
    return (
        f"https://{region}.{host}/cloudwatch/home?region={region}"
        f"#alarmsV2:alarm/{quote(name, safe='')}"
    )


def _short(value: object, most: int) -> str:
    """The text as one printable line of at most so many characters."""
    text = escape_line(str(value or "")[: most * 2])
    return text if len(text) <= most else text[: most - 1] + "…"


def _time(*values: object) -> datetime:
    """The first of these that is a time, in UTC; the present where none is."""
    for value in values:
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            continue
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    return datetime.now(UTC)
