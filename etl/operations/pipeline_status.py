"""The status of a deployed pipeline: each check in one line, with what repairs it.

A script asks ``etl status`` whether a person is needed. Each check says *well*, *needs attention*
or *not known*; backlog and lag only inform, because the alarms have their limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from etl.aws.sqs import queue_depth
from etl.aws.target import LoginUnreadableError, Target
from etl.operations.alarms import Alarm, alarms
from etl.operations.arrival_latency import STATEMENT, ArrivalLatency, parse_latency
from etl.operations.dead_letters import DEAD_LETTERS, RULE_ERRORS, depth
from etl.operations.executions import latest
from etl.operations.failed_executions import failed_since, unprocessed_batches
from etl.operations.metrics import all_signals, read
from etl.operations.plurals import counted, plural
from etl.operations.reconciliation import gather
from etl.operations.table_life import LifeCheck, check_life
from etl.operations.triggers import Trigger, describe_triggers, stall_of, triggers
from etl.operations.verdict import Verdict
from telemetry.contract import ContractSet

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

__all__ = ["Check", "LedgerFacts", "PipelineStatus", "gather_status", "in_words"]

FAILED_HOURS = 24
"""Hours back in which failed executions count."""
MOST_EXECUTIONS = 1_000
"""Executions that are counted by their status; Step Functions returns so many in one answer."""
MOST_EXAMINED = 20
"""Failed executions that are searched for unprocessed batches."""
CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
"""Seconds for the first answer of the ledger: a table that something else has locked is a problem
to be named, not waited for."""
AGE_MINUTES = 15
"""Minutes of CloudWatch's metrics that the age of the oldest message is taken from: SQS sends
it each minute, and it arrives some minutes later."""
OLDEST = "OldestSeconds/queue"


@dataclass(frozen=True)
class Check:
    """One line of the status."""

    name: str
    sentence: str
    well: bool | None = None
    """``None`` where the line only informs."""
    remedy: str = ""
    """The command that repairs it or shows more, or the page of the runbook."""


@dataclass(frozen=True)
class LedgerFacts:
    """Facts that only the database knows."""

    quarantined: int
    """Number of batches in quarantine."""
    last_load_seconds: float | None
    """Seconds since the last load that inserted or updated rows; ``None`` before the first."""
    newest_reading_seconds: float | None
    """Age of the newest loaded reading; below zero where its device's clock is ahead."""
    life: LifeCheck | None = None
    """State of the table's partitions; ``None`` where it has none."""
    lives: Mapping[str, LifeCheck] = field(default_factory=dict)
    """The same by contract, in a pipeline of several; those whose tables have none left out."""
    latency: ArrivalLatency | None = None
    """Time from arrival to row in the last hour; ``None`` where nothing was loaded in it."""


@dataclass(frozen=True, kw_only=True)
class PipelineStatus:
    """Everything that ``etl status`` shows of the pipeline."""

    at: datetime
    queued: int
    oldest_message_seconds: float | None
    """Age of the oldest message in the queue by CloudWatch; ``None`` where it has no value."""
    dead_lettered: int
    rule_errors: int
    executions: dict[str, int]
    """Number of the latest executions by status."""
    failed: int
    """Executions that failed within the last day."""
    unprocessed: dict[str, int]
    """Number of unprocessed batches of each of these, by name."""
    last_failed: str = ""
    """Name of the execution that ended last, where it failed; else empty."""
    firing: tuple[Alarm, ...] = ()
    ledger: LedgerFacts | None = None
    """``None`` where the database can't be read."""
    verdict: Verdict | None = None
    """The reconciliation's verdict; ``None`` where the database can't be reached."""
    database_error: str = ""
    triggers: tuple[Trigger, ...] | None = None
    """``None`` where the caller may not read them."""
    on_laptop: bool = False

    @property
    def healthy(self) -> bool:
        """True where every check was made, and none needs attention."""
        return all(check.well is not False for check in self.checks)

    @property
    def checks(self) -> list[Check]:
        """The lines of the status, in the order in which a person reads them."""
        return [
            self._failed_executions(),
            *self._alarms(),
            *self._dead_letters(),
            *self._ledger_checks(),
            self._backlog(),
            self._triggers(),
            *self._reconciliation(),
        ]

    def _failed_executions(self) -> Check:
        name = "failed executions"
        hours = f"in the last {FAILED_HOURS} hours"
        if self.unprocessed:
            left = sum(self.unprocessed.values())
            sentence = (
                f"{self.failed:,} {hours}; {len(self.unprocessed):,} of them left "
                f"{counted(left, 'batch')} unprocessed"
            )
            return Check(name, sentence, well=False, remedy="etl replay --failed")
        if self.last_failed:
            sentence = f"{self.failed:,} {hours}, the last execution among them: {self.last_failed}"
            command = f"etl trace {self.last_failed}"
            return Check(name, sentence, well=False, remedy=command)
        settled = f"; {'its' if self.failed == 1 else 'their'} batches were processed since"
        return Check(name, f"{self.failed or 'none'} {hours}{settled * bool(self.failed)}", True)

    def _alarms(self) -> Iterator[Check]:
        for alarm in self.firing:
            sentence = f"{alarm.headline} Firing since {alarm.since:%Y-%m-%d %H:%M} UTC."
            yield Check("firing alarm", sentence, False, alarm.runbook)
        if not self.firing:
            yield Check("firing alarms", "none", True)

    def _dead_letters(self) -> Iterator[Check]:
        for number, where, command in (
            (self.dead_lettered, "dead-letter queue", "etl dlq redrive"),
            (
                self.rule_errors,
                "topic rule's error queue",
                "etl dlq redrive --queue rule-errors",
            ),
        ):
            if number:
                sentence = f"{counted(number, 'message')} in the {where}"
                yield Check("dead letters", sentence, False, command)
        if not self.dead_lettered and not self.rule_errors:
            yield Check("dead letters", "none", True)

    def _ledger_checks(self) -> Iterator[Check]:
        if self.ledger is None:
            yield Check("database", f"can't be read: {self.database_error}", False, "etl doctor")
            return
        if self.ledger.quarantined:
            sentence = f"{counted(self.ledger.quarantined, 'batch')} in quarantine"
            yield Check("quarantine", sentence, False, "etl quarantine list")
        else:
            yield Check("quarantine", "empty", True)
        if self.ledger.lives:
            for name, life in self.ledger.lives.items():
                yield Check("partitions", f"{name}: {life.sentence}", life.well, life.remedy)
        elif (only := self.ledger.life) is not None:
            yield Check("partitions", only.sentence, only.well, only.remedy)
        yield Check("lag", _lag(self.ledger))
        if self.ledger.latency is not None:
            yield Check("latency", self.ledger.latency.sentence)

    def _backlog(self) -> Check:
        text = f"{counted(self.queued, 'message')} in the queue"
        if self.queued and self.oldest_message_seconds is not None:
            text += f", the oldest waiting for {in_words(self.oldest_message_seconds)}"
        return Check("backlog", text)

    def _triggers(self) -> Check:
        """The triggers; messages that wait for none that drains them need a person."""
        if self.triggers is None:
            sentence = "not known: this policy is of an older version and may not read them"
            return Check("triggers", sentence, False, "etl settings policy reader")
        stall = stall_of(self.triggers, self.queued, on_laptop=self.on_laptop)
        if stall is not None:
            return Check("triggers", stall.sentence, False, stall.command)
        return Check("triggers", describe_triggers(self.triggers))

    def _reconciliation(self) -> Iterator[Check]:
        """The verdict; its reasons without those that a line above has."""
        if self.verdict is None:
            return
        name = "reconciliation"
        reasons = [one for one in self.verdict.reasons if not one.of_queue]
        bad = [one for one in reasons if one.status == "not balanced"]
        well = self.verdict.status != "not balanced"
        yield Check(name, self.verdict.headline, well, "" if well else "etl reconcile")
        for reason in bad:
            yield Check("", reason.sentence, False, reason.command or "")

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, for ``--json``."""
        ledger = self.ledger
        return {
            "healthy": self.healthy,
            "problems": [
                {"check": one.name or "reconciliation", "sentence": one.sentence,
                 "remedy": one.remedy}
                for one in self.checks
                if one.well is False
            ],
            "at": self.at.isoformat(),
            "queued": self.queued,
            "oldest_message_seconds": self.oldest_message_seconds,
            "dead_lettered": self.dead_lettered,
            "rule_errors": self.rule_errors,
            "executions": self.executions,
            "failed_in_24_hours": self.failed,
            "unprocessed_batches": self.unprocessed,
            "firing_alarms": [
                {"name": one.short, "headline": one.headline, "since": one.since.isoformat(),
                 "runbook": one.runbook}
                for one in self.firing
            ],
            "triggers": self.triggers
            and [
                {"kind": one.kind, "enabled": one.enabled, "drains": one.drains,
                 "sentence": one.sentence}
                for one in self.triggers
            ],
            "quarantined_batches": ledger and ledger.quarantined,
            "last_load_seconds": ledger and ledger.last_load_seconds,
            "newest_reading_seconds": ledger and ledger.newest_reading_seconds,
            "latency_seconds": ledger and ledger.latency and asdict(ledger.latency),
            "partitions": ledger and ledger.life and ledger.life.sentence,
            **(
                {"partitions_by_contract": {n: one.sentence for n, one in ledger.lives.items()}}
                if ledger and ledger.lives
                else {}
            ),
            "reconciliation": self.verdict.headline
            if self.verdict
            else f"not known: the database can't be read: {self.database_error}",
        }  # fmt: skip


def _lag(ledger: LedgerFacts) -> str:
    if ledger.last_load_seconds is None:
        return "no rows were loaded yet"
    text = f"rows were last loaded {in_words(ledger.last_load_seconds)} ago"
    age = ledger.newest_reading_seconds
    if age is None:
        return text
    when = f"stamped {in_words(-age)} ahead of now" if age < 0 else f"{in_words(age)} old"
    return f"{text}; the newest reading is {when}"


def in_words(duration: float) -> str:
    """Seconds in words, in the largest unit that fits twice: ``90 minutes``, ``3 days``."""
    seconds = max(0, int(duration))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {plural(2, unit)}"
    return counted(seconds, "second")


def gather_status(target: Target) -> PipelineStatus:
    """Ask everything once. A database that can't be reached leaves its facts unknown.

    Raises botocore's errors and :class:`~etl.aws.target.NoStackError`.
    """
    at = datetime.now(UTC)
    executions = latest(target, MOST_EXECUTIONS)
    by_status: dict[str, int] = {}
    for one in executions:
        by_status[one.status.lower()] = by_status.get(one.status.lower(), 0) + 1
    failed = list(failed_since(target, at - timedelta(hours=FAILED_HOURS)))
    last = next((one for one in executions if one.status != "RUNNING"), None)
    queued = queue_depth(target.client("sqs"), target.outputs["QueueUrl"]).total
    ledger, verdict, error = _of_database(target)
    return PipelineStatus(
        at=at,
        queued=queued,
        oldest_message_seconds=_age(target, at) if queued else None,
        dead_lettered=depth(target, DEAD_LETTERS).total,
        rule_errors=depth(target, RULE_ERRORS).total,
        executions=by_status,
        failed=len(failed),
        unprocessed=unprocessed_batches(target, iter(failed), MOST_EXAMINED),
        last_failed=last.name if last is not None and last.name in failed else "",
        firing=tuple(one for one in alarms(target) if one.state == "ALARM"),
        ledger=ledger,
        verdict=verdict,
        database_error=error,
        triggers=_readable_triggers(target),
        on_laptop=target.local is not None,
    )


def _readable_triggers(target: Target) -> tuple[Trigger, ...] | None:
    """The triggers; ``None`` where a policy of an earlier version may not read them."""
    from botocore.exceptions import ClientError

    try:
        return tuple(triggers(target))
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("AccessDenied"):
            raise
        return None


def _of_database(target: Target) -> tuple[LedgerFacts | None, Verdict | None, str]:
    import psycopg2

    try:
        settings: dict[str, Any] = {
            **target.database_settings(),
            "connect_timeout": CONNECT_SECONDS,
        }
        connection = psycopg2.connect(application_name="etl", **settings)
        try:
            facts = _ledger_facts(connection, target.contracts)
        finally:
            connection.close()
        return facts, gather(target).verdict, ""
    except (psycopg2.Error, LoginUnreadableError) as error:
        return None, None, " ".join(str(error).split())


def _ledger_facts(connection: Connection, contracts: ContractSet) -> LedgerFacts:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", (f"{ANSWER_SECONDS}s",))
        cursor.execute(
            "SELECT count(*) FILTER (WHERE status = 'quarantined'), "
            "extract(epoch FROM now() - max(loaded_at) FILTER (WHERE inserted + updated > 0)), "
            "extract(epoch FROM now() - max(max_time) FILTER (WHERE status = 'loaded')) "
            "FROM etl.ledger"
        )
        [(quarantined, *seconds)] = cursor.fetchall()
        cursor.execute(STATEMENT)
        names = [column.name for column in cursor.description or ()]
        latency = parse_latency(dict(zip(names, cursor.fetchall()[0], strict=True)))
        now = datetime.now(UTC)
        checked = {one.name: check_life(cursor, one, now) for one in contracts}
    life = checked[contracts.first.name]
    lives = {name: one for name, one in checked.items() if one is not None}
    last_load, newest = (None if one is None else float(one) for one in seconds)
    several = lives if len(contracts) > 1 else {}
    return LedgerFacts(int(quarantined), last_load, newest, life, several, latency)


def _age(target: Target, at: datetime) -> float | None:
    """Age of the oldest message in seconds, by CloudWatch; ``None`` where it has no value yet."""
    wanted = [signal for signal in all_signals(target) if signal.name == OLDEST]
    since = at - timedelta(minutes=AGE_MINUTES)
    (series,) = read(target, wanted, since=since, until=at + timedelta(minutes=1), period=60)
    return series.points[-1].value if series.points else None
