"""A contract as data: frozen dataclasses without behaviour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from telemetry.contract.topics import TopicFilter

ColumnType = Literal[
    "text",
    "smallint",
    "integer",
    "bigint",
    "real",
    "float",
    "decimal",
    "boolean",
    "enum",
    "timestamp",
    "jsonb",
]
OnConflict = Literal["keep_first", "keep_last", "keep_greatest", "fill_missing"]
Partition = Literal["none", "month", "day"]
Rollup = Literal["hourly", "daily"]
OnInvalid = Literal["reject", "null"]
Shape = Literal["objects", "rows", "pairs", "senml", "keyed", "parallel"]
OnTooLong = Literal["invalid", "truncate"]
Ambiguous = Literal["by_arrival", "earliest", "latest", "reject"]
Nonexistent = Literal["reject", "shift"]
Compression = Literal["gzip"]
Format = Literal[
    "json",
    "ndjson",
    "csv",
    "value",
    "influx",
    "cbor",
    "msgpack",
    "sparkplug",
    "protobuf",
    "decoder",
]
Encoding = Literal["base64", "hex", "gzip", "zlib"]
Form = Literal["text", "json"]
MemberPath = tuple[str | int, ...]
"""Way to a value: names of members of objects, and places of elements of arrays, counted from 0,
or from the end where negative."""
Marker = str | float | bool
"""A value that a device may send, compared as a number where both are numbers."""
SpanUnit = Literal["ns", "us", "ms", "s", "min", "h", "d"]
TimestampFormat = Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "epoch_auto"]


@dataclass(frozen=True)
class Source:
    """One place a column's value may come from.

    ``scope`` is ``reading`` (the unnested element), ``message`` (the enclosing message) or
    ``envelope`` (``path`` is then one of ``topic``, ``client_id``, ``received_at``,
    ``message_id``, or ``("topic", "2")`` for a segment of the topic, counted from 0, from the end
    where negative). ``place`` is what a reading came under: ``key``, ``metric`` or ``value``.
    ``parent`` is the object around the reading's array, where there are arrays on two levels.
    ``index`` is the reading's place in the message's array, 0 where the message is the reading.
    ``constant`` has the raw text itself as its path. ``rest`` is the members of the reading that
    no other column takes. ``part`` is a part of a text: the name of its :class:`TextParts`, and the
    name of a group or the place of a part. ``template`` is a text made of several sources; its path
    is the template itself.
    """

    scope: Literal[
        "reading",
        "parent",
        "message",
        "envelope",
        "place",
        "index",
        "constant",
        "rest",
        "part",
        "template",
    ]
    path: MemberPath
    form: Form = "text"
    """``json``: the value's JSON text, whatever it is; ``text``: a single value's own text."""
    pieces: tuple[str | Source, ...] = field(default=(), compare=False)
    """The texts and sources of a template, in their order."""
    parts: TextParts | None = field(default=None, compare=False)
    """The text that a part is of."""


@dataclass(frozen=True)
class TextParts:
    """A text that is taken apart, by a pattern or at a delimiter."""

    name: str
    sources: tuple[Source, ...]
    """Tried in order, as a column's."""
    pattern: str | None = None
    """Regular expression that the whole text must match; its named groups are the parts."""
    split: str | None = None
    """Text between the parts."""
    missing: tuple[str, ...] = ("",)
    """Texts that mean "no value"."""


@dataclass(frozen=True)
class Plus:
    """Span of time that is added to a timestamp: a number of units, by what each one counts."""

    sources: tuple[Source, ...]
    unit: SpanUnit
    every: float | tuple[Source, ...] = 1
    """Units that the number is multiplied with, or the sources of their number."""

    @property
    def every_source(self) -> tuple[Source, ...]:
        """The sources of the number, and of the one that it is multiplied with."""
        return self.sources + (self.every if isinstance(self.every, tuple) else ())


STAMPED_AT_ARRIVAL = (
    (Source("envelope", ("received_at",)),),
    (Source("envelope", ("message_id",)),),
)
"""First sources of columns whose value the pipeline stamps, so that it differs for each delivery
of the same reading."""


@dataclass(frozen=True)
class Condition:
    """Condition on the messages that hold readings; the others are set aside."""

    source: Source
    """Source of the value, of scope ``message`` or ``envelope``."""
    values: tuple[str | float | bool, ...] = ()
    """It is one of these; numbers are compared as numbers."""
    present: bool | None = None
    """Alternative to values: the source must be present and not null, or must not."""


@dataclass(frozen=True)
class Metric:
    """A member that becomes a reading of its own in a narrow table."""

    name: str
    path: MemberPath


@dataclass(frozen=True)
class PackedMember:
    """A member of the message that holds another document, which takes its place."""

    path: MemberPath
    encoding: tuple[Encoding, ...] = ()
    """Encodings to undo, in this order, to get from the member's text to the document."""
    format: Format = "json"
    """Format of the document."""


@dataclass(frozen=True)
class PairMembers:
    """Members of the objects that are pairs of a name and a value."""

    name: MemberPath
    value: MemberPath | None = None
    """``None``: the value is the object itself, without its name and the members of ``by``."""
    by: tuple[str, ...] = ()
    """Members, such as a time: pairs in which they are the same make one reading. Without any, all
    pairs of the list do."""


@dataclass(frozen=True)
class Conversion:
    """Makes one unit of another: ``(value * multiply + add) / divide``, in doubles.

    Two steps of whole numbers and one division give 20 for 68 °F; one factor would give 20.00...04.
    """

    multiply: float
    add: float = 0.0
    divide: float = 1.0


@dataclass(frozen=True)
class UnitMember:
    """A member that names the unit of each value."""

    sources: tuple[Source, ...]
    units: tuple[tuple[str, tuple[str, ...]], ...]
    """Units, each with all its spellings."""
    constant: str | None = None
    """Spelling that holds where the sources have no value."""
    conversions: tuple[Conversion, ...] = field(default=(), compare=False)
    """Conversion of each unit to the column's, computed when the contract is packaged."""


@dataclass(frozen=True)
class Column:
    """One column of the table and how its value is found and cleaned."""

    name: str
    type: ColumnType
    sources: tuple[Source, ...]
    """Tried in order; the first that is present and not missing wins."""
    required: bool = False
    """A reading without a value here is rejected."""
    on_invalid: OnInvalid = "reject"
    """Effect of an unreadable or out-of-range value: reject the reading, or become NULL."""
    missing: tuple[Marker, ...] = ("",)
    """Values that mean "no value", compared as numbers where both are numbers."""
    range: tuple[float | None, float | None] = (None, None)
    """Inclusive limits of a number; ``None`` is open."""
    max_length: int | None = None
    """Longest text, in characters."""
    on_too_long: OnTooLong = "invalid"
    """True if a longer text is a fault, or cut to ``max_length`` characters and counted."""
    pattern: str | None = None
    """Regular expression that the whole text must match."""
    precision: int | None = None
    """Digits of a decimal, ``scale`` of them after the point."""
    scale: int = 0
    values: tuple[tuple[str, tuple[Marker, ...]], ...] = ()
    """Values of an enum, each with its other spellings."""
    true_values: tuple[Marker, ...] = ()
    false_values: tuple[Marker, ...] = ()
    """Spellings of true and of false, in addition or instead."""
    attached: tuple[str, ...] = ()
    """Units that may stand behind a number, and are taken off."""
    decimal_comma: bool = False
    round: int | None = None
    """Digits after the point that a number is rounded to, half away from zero."""
    formats: tuple[str, ...] = ("iso8601",)
    """Each a :data:`TimestampFormat` or a pattern with ``%`` in it, tried in order."""
    timezone: str = "UTC"
    """Zone of timestamps that carry none (IANA name)."""
    ambiguous: Ambiguous = "by_arrival"
    """Instant of a local time that came twice, as clocks were set back: the later one unless it is
    after the arrival of its message, always the earlier or the later one, or none (a fault)."""
    plus: Plus | None = None
    nonexistent: Nonexistent = "reject"
    """Effect of a local time that never came, as clocks were set forward: a fault, or it is read
    by the offset before the change."""
    max_age: int | None = None
    """Most microseconds that a time may be before the arrival of its message."""
    max_future: int | None = None
    """Most microseconds that a time may be after the arrival of its message."""
    unit: str | None = None
    unit_member: UnitMember | None = None
    """Member with the unit of each value, where ``unit_from`` is a table."""
    unit_from: str | None = None
    """Unit that devices send in, where it isn't ``unit``."""
    conversion: Conversion | None = None
    """Conversion of ``unit_from`` to ``unit``, computed when the contract is packaged."""
    description: str = ""


@dataclass(frozen=True)
class Checks:
    """Set-level expectations on one micro-batch; a breach quarantines or warns."""

    max_reject_share: float = 0.5
    """Share of readings rejected (0..1) above which the batch is quarantined."""
    warn_reject_share: float = 0.05
    max_duplicate_share: float = 1.0
    """Share of in-batch duplicates (0..1) above which the batch is quarantined."""
    conflict_share_warn: float = 0.01
    """Share of conflicts (0..1) above which the batch is warned about: readings with the key of
    another one and other values."""
    conflict_share: float = 0.10
    """Share of conflicts (0..1) above which the batch is quarantined."""
    completeness: dict[str, float] = field(default_factory=dict)
    """Column name to least share of non-null values (0..1); below it the batch is warned about."""
    max_age_minutes: float | None = None
    """Age of the newest reading when the batch is judged; above it the batch is warned about."""
    volume: tuple[float, float] | None = None
    """Least and most accepted readings, as multiples of the median of the last batches; beyond
    them the batch is warned about."""
    drift: dict[str, float] = field(default_factory=dict)
    """Numeric column to the greatest population stability index against the last batches; above
    it the batch is warned about."""
    min_readings: int = 20
    """A batch with fewer readings is never quarantined: its shares are not significant."""


@dataclass(frozen=True)
class Analytics:
    """Views and rollups for analysts, beside the table."""

    views: bool = True
    """``False``: nothing at all."""
    rollups: tuple[Rollup, ...] = ("hourly", "daily")
    """Spans of time that have a row of figures each; only where the key ends with a timestamp."""
    metrics: tuple[str, ...] | None = None
    """Columns that rollups aggregate; ``None``: all numbers and booleans beside the key."""


class Decoder(NamedTuple):
    """A function of one's own that decodes payloads: ``decoder = "decoder.py:decode"``."""

    file: str
    function: str


class ContractFile(NamedTuple):
    """A file that a contract names, and that belongs to its version."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Contract:
    """A contract: the sources of a reading's values, their checks, and their table."""

    name: str
    topic: str
    """Topic filter that devices publish under, such as ``telemetry/fleet/+``, as written: see
    :class:`telemetry.contract.topics.TopicFilter`."""
    schema: str
    table: str
    key: tuple[str, ...]
    """Columns that identify a reading; the last one is its timestamp where one is in the key."""
    columns: tuple[Column, ...]
    on_conflict: OnConflict = "keep_first"
    greatest: str | None = None
    """Column of ``keep_greatest`` whose greatest value stays; no value is the smallest."""
    partition: Partition = "none"
    """Span of the key's timestamp that a partition of the table holds."""
    retention_days: int | None = None
    """Days for which rows stay in the table, by the key's timestamp; ``None``: permanently."""
    indexes: tuple[tuple[str, ...], ...] = ()
    """Columns of each index beside that of the key."""
    readings: MemberPath | None = None
    """Path of the array to unnest; ``None``, or absent in a message: the message is one reading.
    The empty path is the payload itself."""
    parents: MemberPath | None = None
    """Path of an array of objects that ``readings`` is within, where there are two levels."""
    shape: Shape = "objects"
    """Shape of a message: see ``docs/contract-messages.md``."""
    fields: tuple[str, ...] = ()
    """Names of the positions of a row, where ``shape`` is ``rows``."""
    pairs: PairMembers | None = None
    """Members of a pair, where ``shape`` is ``pairs``; ``None``: pairs are arrays of two."""
    format: Format = "json"
    """Format of payloads: see ``docs/contract-formats.md``. Those that are lists of lines have the
    empty path as ``readings``."""
    delimiter: str = ","
    """Character between the values of a line, where ``format`` is ``csv``."""
    decoder: Decoder | None = None
    """Function that decodes payloads, where ``format`` is ``decoder``."""
    descriptor: str | None = None
    """Name of the descriptor set beside the contract, where ``format`` is ``protobuf``."""
    message_type: str | None = None
    """Full name of the type in it that payloads are."""
    compression: Compression | None = None
    """Compression of payloads; a payload that isn't compressed is accepted as well."""
    unpack: tuple[PackedMember, ...] = ()
    """Members that hold other documents, unpacked one after the other."""
    melt: tuple[Metric, ...] | Literal["numbers"] | None = None
    """Members that become readings of their own: the listed ones, or every number not used."""
    parts: tuple[TextParts, ...] = ()
    """Texts that columns take parts of."""
    only: tuple[Condition, ...] = ()
    """A message that breaks one of these is of another kind, and is set aside."""
    checks: Checks = field(default_factory=Checks)
    analytics: Analytics = field(default_factory=Analytics)
    description: str = ""
    digest: str = ""
    """First 16 hex digits of the SHA-256 of the file, and of the files that it names: names the
    version in the ledger."""
    files: tuple[ContractFile, ...] = field(default=(), repr=False)
    """Files that the contract names, which lie beside it; empty until they are read."""

    @property
    def formats(self) -> frozenset[Format]:
        """Formats of payloads, and of the members that are unpacked."""
        return frozenset({self.format, *(one.format for one in self.unpack)})

    @property
    def topic_filter(self) -> TopicFilter:
        """The topic filter by its levels."""
        return TopicFilter.parse(self.topic)

    @property
    def device_column(self) -> str | None:
        """The column of the key that names the device: its first one that isn't a time."""
        named = (name for name in self.key if self.column(name).type != "timestamp")
        return next(named, None)

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns that make two readings of one key a conflict where they differ.

        All beside the key, but for those whose value is stamped at arrival: it differs each time
        that a device sends the same reading.
        """
        return tuple(
            column.name
            for column in self.columns
            if column.name not in self.key and column.sources[:1] not in STAMPED_AT_ARRIVAL
        )

    def column(self, name: str) -> Column:
        """The column of that name. Raises ``KeyError`` where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
