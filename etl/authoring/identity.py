"""Members that may name the device, ranked by their names and by what their values do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etl.authoring.draft import ColumnDraft
from etl.authoring.names import words

__all__ = [
    "SURE",
    "Candidate",
    "device_candidates",
    "distinguishes",
    "is_of_reading",
    "is_scoped",
    "may_be_key",
]

KEY_TYPES = ("text", "bigint")
LONGEST = 128
"""Characters of the longest text that a key may have."""
ALWAYS = 0.98
READING_ID_SHARE = 0.9
"""Distinct values per reading from which an id identifies the reading, not the device."""
SURE = 20
"""Rank of names that are of a device rather than of something else."""
OF_NUMBERS = 24
"""Rank of names from which a number is that of a device: a ``battery`` or ``line`` is measured."""
ONE_READING = 40
"""Points that a member loses whose values hardly come again: it may identify the reading."""
FEW = 20
"""Readings up to which a name may be of a device of which each was seen once."""

_NOUNS = {
    "device", "dev", "sensor", "thing", "node", "station", "machine", "asset", "equipment",
    "vehicle", "meter", "probe", "logger", "beacon", "controller", "unit", "tracker",
    "inverter", "pump", "motor", "box", "module", "mote", "board", "robot", "truck", "bus",
    "car", "boat", "vessel", "drone", "tank", "well", "valve", "plc", "panel", "charger",
    "battery", "terminal", "edge", "end", "client", "publisher", "source", "src", "from",
    "origin", "sender", "emitter", "subject", "host", "hostname", "system", "site", "location",
    "room", "line", "cell", "turbine", "writer", "entity", "object", "evse", "geraet", "gerat",
    "zaehler", "zahler", "anlage", "capteur", "compteur", "appareil", "dispositivo", "equipo",
    "contador", "sensore", "contatore",
}  # fmt: skip
"""Nouns for what measures; ``device_id`` and ``device.id`` name one surely, ``device`` probably."""
_DEVICES = {"device", "dev", "sensor", "thing", "node", "station", "meter"}
_SURE = {
    "deveui", "imei", "mac", "serial", "sn", "vin", "eui", "ieee", "deviceid", "clientid",
    "sensorid", "nodeid", "stationid", "thingname", "hostname", "uid", "udid", "mmsi",
    "macaddress", "serialnumber", "serialno", "chargepointid", "chargeboxid", "evseid", "chargerid",
    "espid", "chipid", "boxid",
}  # fmt: skip
_NO_DIGITS = str.maketrans("", "", "0123456789")
_NAMING = {
    "id",
    "name",
    "eui",
    "uid",
    "sn",
    "serial",
    "number",
    "no",
    "nr",
    "code",
    "address",
    "addr",
}
_WEAK = {"id", "n", "name", "sid", "did", "key", "tag", "address", "addr", "ident", "identifier"}
_WEAK |= {
    "iccid",
    "imsi",
    "msisdn",
    "gw",
    "gateway",
    "hub",
    "bridge",
    "concentrator",
    "bn",
    "label",
    "slave",
    "url",
}
_GROUPS = {
    "tenant", "application", "app", "org", "organization", "organisation", "project",
    "customer", "account", "group", "profile", "model", "type", "version", "ver", "fw",
    "firmware", "hw", "status", "state", "message", "msg", "event", "correlation", "session",
    "request", "trace", "dst", "destination", "target", "to", "method", "unit", "user", "owner",
    "region", "country", "vendor", "manufacturer", "brand", "product", "family", "class",
    "schema", "format", "join", "network", "netid", "packet", "transaction", "batch", "topic",
    "qos", "rxinfo", "rx", "metadata", "time",
}  # fmt: skip
"""Names of what many devices share, or of one message."""
_CHANNELS = {
    "n", "name", "metric", "channel", "ch", "chan", "port", "slave", "register", "reg", "phase",
    "axis", "index", "idx", "parameter", "param", "variable", "var", "field", "item", "tag",
    "tags", "point", "quantity", "measurement", "kind", "probe", "sensor", "cpu", "disk",
    "interface", "type", "label", "key", "id", "line", "input", "output", "zone", "circuit",
    "unit", "position", "pos", "path", "attribute", "property", "signal", "code", "event",
    "method", "writer",
}  # fmt: skip
"""Names of what tells the values of one device apart."""
_COUNTERS = {"seq", "sequence", "fcnt", "counter", "count", "frame", "msgid", "messageid", "nonce"}
_SCOPED = {"slave", "address", "addr", "channel", "ch", "port", "n", "index", "no", "nr", "number"}
_SCOPED |= {"unit", "node", "line", "slot"}


@dataclass(frozen=True)
class Candidate:
    """A column that may name the device."""

    draft: ColumnDraft
    score: float
    """Greater is likelier."""
    rank: int
    """Confidence that its name is that of a device (0..42)."""


def may_be_key(draft: ColumnDraft, least: float = 0.0) -> bool:
    """True where a column can be in a key: exact, short, and present in enough of the readings."""
    exact = draft.type in KEY_TYPES or (draft.type == "float" and draft.whole)
    fits = draft.also_as is None and draft.longest <= LONGEST
    return exact and fits and draft.presence > least


def device_candidates(drafts: Sequence[ColumnDraft], readings: int) -> list[Candidate]:
    """The columns that may name the device, the likeliest first."""
    found = []
    for place, draft in enumerate(drafts):
        if not may_be_key(draft, 0.5):
            continue
        rank = _name_rank(draft.label)
        if rank == 0 or (draft.type == "float" and rank < OF_NUMBERS):
            continue
        varies = (12 if rank >= SURE else 6) if draft.distinct > 1 else 0
        score = rank + varies + (6.0 if draft.presence >= ALWAYS else -20.0)
        score -= ONE_READING * is_of_reading(draft, readings)
        score -= place / 1000 + 2 * (len(draft.label) > 3)
        found.append(Candidate(draft, score, rank))
    return sorted(found, key=lambda candidate: -candidate.score)


def is_of_reading(draft: ColumnDraft, readings: int) -> bool:
    """True where hardly any value comes again, so that it may identify the reading."""
    return readings > FEW and draft.distinct > READING_ID_SHARE * readings


def _name_rank(label: tuple[str, ...]) -> int:
    """Confidence that a name is that of a device (0..42); 0: it is not."""
    last = words(label[-1]) or [""]
    joined = "".join(last)
    without_model = joined.translate(_NO_DIGITS)  # as of an esp8266id
    if joined.endswith(("deveui", "imei", "macaddress")) or without_model in _SURE:
        return 42 if joined.endswith("eui") else 40
    own = set(last) - _NAMING
    nouns = _NOUNS if last[-1] == "id" else _NOUNS - {"unit"}  # a unit_name is one of measure
    if own & _GROUPS and not (own & nouns and last[-1] in _NAMING):
        return 0
    if last[-1] in _NAMING:
        return _rank_of_naming(last[-1], own, label[:-1])
    if last[-1] in _NOUNS or joined in _NOUNS:
        return 26 if last[-1] in _DEVICES else 20
    return 34 if set(last) & _SURE else 12 * bool(set(last) & _WEAK)


def _rank_of_naming(naming: str, own: set[str], parents: tuple[str, ...]) -> int:
    """The rank of an id or name: of what, its other words or the objects around it say."""
    if own & (_NOUNS | _SURE):
        return 38
    if own or naming in ("code", "number", "no", "nr"):
        return 8 if own & _WEAK else 0
    around = [word for part in parents for word in words(part)]
    if set(around[-2:]) & _GROUPS - {"unit", "event", "message"}:
        return 0
    if set(around[-3:]) & _NOUNS:
        return 36
    return 12 if naming == "name" else 24


def is_scoped(draft: ColumnDraft) -> bool:
    """True for an address that is unique only beneath a gateway, such as a Modbus slave's."""
    found = words(draft.label[-1])
    return bool(found) and found[-1] in _SCOPED


def distinguishes(draft: ColumnDraft) -> int:
    """Rank of a column as one that tells readings of one moment apart; smaller is likelier."""
    found = set(words(draft.label[-1]))
    parents = {word for part in draft.label[:-1] for word in words(part)}
    if found & _CHANNELS or parents & {"tags", "labels", "dimensions", "tag"}:
        return 0
    if found & _COUNTERS:
        return 1
    return 2
