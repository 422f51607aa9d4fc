"""Failures of what devices send and of how it is read: contracts, readings, clocks."""

from __future__ import annotations

from collections.abc import Sequence

from etl.operations.quarantine import quarantined_batches
from etl.operations.reconciliation import gather
from etl.operations.time_range import TimeRange
from etl.rehearsals.model import Expected, Rehearsal, Step
from etl.rehearsals.scene import BASE_CONTRACT, Scene, measurements

__all__ = ["ClockWrong", "KeyTooSmall", "PoisonBatch", "WrongContract"]

MESSAGES, READINGS = 20, 10


def _rejected(scene: Scene, reason: str) -> int:
    return gather(scene.target).ledger.rejected_by.get(reason, 0)


def _in_quarantine(scene: Scene) -> int:
    return len(list(quarantined_batches(scene.target, TimeRange())))


class WrongContract(Rehearsal):
    """A contract is deployed whose range has a typing error."""

    name = "wrong-contract"
    sentence = "A contract is deployed whose range refuses good readings."
    advice = (
        "Rejects of all devices begin at the time of a deployment: the contract is wrong, not the "
        "fleet. Deploy the corrected one, then load the batches with these rejects again."
    )
    reason = "out_of_range:temperature_c"

    def provoke(self, scene: Scene) -> Expected:
        """Deploy a range that ends at 8.5 °C instead of 85; four of ten readings are above."""
        wrong = BASE_CONTRACT.replace("range = [-60, 85]", "range = [-60, 8.5]")
        scene.run_etl("up", "--contract", str(scene.contract("wrong", wrong)), *_WINDOW)
        messages = [
            measurements(READINGS, temperature_c=lambda place: 20.5 if place < 4 else 5.5)
            for _ in range(MESSAGES)
        ]
        receipt = scene.send(self.name, "box-1", messages)
        return Expected(rows=receipt.readings)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the rejects."""
        expected = MESSAGES * 4
        scene.wait(
            f"{expected} readings are rejected",
            lambda: _rejected(scene, self.reason) >= expected,
        )

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The rejects, by reason and device."""
        return (
            scene.etl("rejects", "list"),
            scene.etl("rejects", "show", "--reason", self.reason, "--most", "1"),
        )

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Deploy the corrected contract, and load the rejects again."""
        corrected = scene.contract("game-day", BASE_CONTRACT)
        return (
            scene.etl("up", "--contract", str(corrected), *_WINDOW),
            scene.etl("replay", "--reason", self.reason, "--yes"),
        )

    def undo(self, scene: Scene) -> None:
        """Deploy the contract of the game day again."""
        scene.redeploy()


_WINDOW = ("--window", "2")


class PoisonBatch(Rehearsal):
    """A device with broken firmware fills batches with readings that can't become rows."""

    name = "poison-batch"
    sentence = "A device sends mostly readings that can't become rows."
    advice = (
        "The checks of the contract hold such a batch back as a whole, and other batches go on. "
        "`etl quarantine show` says why. Release it if the rest of it is right: its good readings "
        "become rows, the others stay as rejects, byte for byte."
    )

    def provoke(self, scene: Scene) -> Expected:
        """Publish messages of which seven readings in ten have a text for a number."""
        messages = [
            measurements(READINGS, temperature_c=lambda place: "E-17" if place < 7 else 20.5)
            for _ in range(MESSAGES)
        ]
        scene.send(self.name, "broken-1", messages)
        return Expected(rows=MESSAGES * 3, rejected=MESSAGES * 7)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the quarantine."""
        scene.await_status("quarantined", "the batch is in quarantine")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The quarantine, and the device that the rejects are of."""
        return (scene.etl("quarantine", "list"),)

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Load what is good."""
        return (scene.etl("quarantine", "release", "--all", "--yes"),)

    def undo(self, scene: Scene) -> None:
        """Load what is in quarantine, so that the next rehearsal finds none."""
        if _in_quarantine(scene):
            scene.run_etl("quarantine", "release", "--all", "--yes")


class KeyTooSmall(Rehearsal):
    """Devices have two probes, which the contract's key can't tell apart."""

    name = "key-too-small"
    sentence = "The contract's key can't tell two probes of a device apart."
    advice = (
        "The quarantine names readings of one key with other values: the key lacks a column. "
        "Give the corrected contract a table of its own, deploy it, and release what is held: it "
        "is read again by the contract that is deployed then."
    )
    columns = '\n[columns.probe]\ntype = "integer"\nrequired = true\n'

    def _contract(self, name: str, table: str, key: str) -> str:
        text = BASE_CONTRACT.replace('name = "fleet"', f'name = "{name}"', 1)
        text = text.replace('name = "fleet_readings"', f'name = "{table}"', 1)
        text = text.replace('key = ["device_id", "ts"]', f"key = {key}")
        return text.replace("\n[checks]\n", f"{self.columns}\n[checks]\n")

    def provoke(self, scene: Scene) -> Expected:
        """Deploy a contract for probes with a key that has no probe; publish pairs of readings."""
        small = self._contract("probes", "probes", '["device_id", "ts"]')
        file = scene.contract("probes", small)
        scene.run_etl("up", "--contract", str(file), "--yes", *_WINDOW)
        messages = []
        for _ in range(MESSAGES):
            first = measurements(READINGS // 2, probe=1)
            second = [{**one, "probe": 2, "temperature_c": 31.5} for one in first]
            messages.append([*first, *second])
        receipt = scene.send(self.name, "twin-1", messages)
        return Expected(rows=receipt.readings)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the quarantine."""
        scene.await_status("quarantined", "the batch is in quarantine")

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The quarantine, whose findings count the conflicts."""
        return (scene.etl("quarantine", "list"),)

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Deploy a contract whose key has the probe, and load what is held."""
        corrected = self._contract(
            "probes-corrected", "probes_corrected", '["device_id", "probe", "ts"]'
        )
        file = scene.contract("probes-corrected", corrected)
        return (
            scene.etl("up", "--contract", str(file), "--yes", *_WINDOW),
            scene.etl("quarantine", "release", "--all", "--yes"),
        )

    def undo(self, scene: Scene) -> None:
        """Deploy the contract of the game day again."""
        scene.redeploy()


class ClockWrong(Rehearsal):
    """A device sends times of 1970 until it has asked a time server, and of 2038 once."""

    name = "clock-wrong"
    sentence = "A device's clock says 1970, then 2038."
    advice = (
        "The reasons too_old and in_future name the column, the list by device names the one. "
        "The times can't be guessed, so there is nothing to load: repair the device's clock. The "
        "rejects stay as evidence, with the time of arrival."
    )

    def provoke(self, scene: Scene) -> Expected:
        """Publish messages of which two readings in ten are of 1970 and one is of 2038."""
        self._before = {one: _rejected(scene, one) for one in ("too_old:ts", "in_future:ts")}
        messages = []
        for number in range(MESSAGES):
            readings = measurements(READINGS)
            for place, year in enumerate(("1970-01-01", "1970-01-01", "2038-01-19")):
                readings[place]["ts"] = f"{year}T00:00:{number:02}.{place}Z"
            messages.append(readings)
        scene.send(self.name, "adrift-1", messages)
        return Expected(rows=MESSAGES * 7, rejected=MESSAGES * 3)

    def await_symptom(self, scene: Scene) -> None:
        """Wait for the rejects."""
        scene.wait(
            "readings of 1970 and of 2038 are rejected",
            lambda: all(_rejected(scene, one) > count for one, count in self._before.items()),
        )

    def looks(self, scene: Scene) -> Sequence[Step]:
        """The rejects, by reason and device."""
        return (
            scene.etl("rejects", "list"),
            scene.etl("rejects", "show", "--reason", "too_old", "--most", "1"),
        )

    def repairs(self, scene: Scene) -> Sequence[Step]:
        """Keep the evidence; the clock is repaired at the device."""
        file = scene.write("clock-wrong-rejects.ndjson", "")
        return (
            scene.etl("rejects", "export", "--device", "adrift-1", "-o", str(file), "--overwrite"),
        )
