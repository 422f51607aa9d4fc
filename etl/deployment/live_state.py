"""Says what is live after a deployment that stopped half-way, and how to go on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from etl.deployment.steps import Kind

__all__ = ["LiveState", "live_state"]

GOES_ON = "`etl deploy` with the same options goes on from there; what is done is not repeated."
OLD = "those of before"
NEW = "those of this deployment"
NONE = "none yet"


@dataclass(frozen=True, kw_only=True)
class LiveState:
    """The versions of functions, table and triggers that run."""

    functions: str
    table: str
    triggers: str
    missing: str = ""
    """A sentence about what else is not done; empty where there is nothing."""

    @property
    def text(self) -> str:
        """The state in words, with the command that goes on."""
        missing = f"\n{self.missing}" if self.missing else ""
        return (
            f"What is live now:\n  functions: {self.functions}\n  table: {self.table}\n"
            f"  triggers: {self.triggers}{missing}\n{GOES_ON}"
        )


def live_state(
    stopped: Kind, *, first: bool, migrates: bool, settled: bool, several: bool = False
) -> LiveState:
    """Describe what is live where a deployment stopped at a step.

    ``first``: no pipeline was deployed before. ``migrates``: the deployment migrates the database.
    ``settled``: false where CloudFormation left, or still has, a change half done. ``several``: the
    pipeline has several contracts.
    """
    old = NONE if first else OLD
    triggers = f"{NONE}: messages are not received" if first else "on, as before"
    if stopped == "migrate":
        functions = "the new migrate function alone" if first else f"{OLD}, beside the new migrate"
        table = "as before: a migration is one transaction"
        if several:
            table = "each as before, or migrated: a contract's migration is one transaction"
        return LiveState(functions=functions, table=table, triggers=triggers)
    if stopped == "core":
        table = "migrated; the functions of before can write it, too" if migrates else "as before"
        if first:
            table = "migrated" if migrates else "as before"
        if not settled:
            old = "of both versions: CloudFormation has not finished the change"
        return LiveState(functions=old, table=table, triggers=triggers)
    if stopped in ("contract", "link", "core again"):
        missing = {
            "contract": "The contract that commands read from the data bucket is not the new one.",
            "link": "The platform's proxy and alarms do not know the pipeline yet.",
            "core again": "The functions connect to the database without the proxy.",
        }[stopped]
        table = "migrated" if migrates else "as before"
        return LiveState(functions=NEW, table=table, triggers="on", missing=missing)
    return LiveState(functions=old, table="as before", triggers=triggers)
