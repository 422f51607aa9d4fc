"""The bulk decoder: many messages at once, by polars, where that provably gives the same result.

What proves it are marks, without which one message could reach into another: see ``bulk_marks``.
If a row is not as it was sent, or if a value is of another type than the plan has, the messages
are split and split again until the few that are left go to the careful reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from functions.transform.bulk_marks import MarkedArrays, MarkedObjects
from functions.transform.bulk_parallel import are_side_by_side, readings_side_by_side
from functions.transform.bulk_senml import odd_records, resolved_records
from functions.transform.extraction_plan import DecodePlan, ExtractionPlan
from functions.transform.member_patterns import member_name, metrics_of
from functions.transform.message_filter import matches
from functions.transform.shapes import base_sources, names_of_arrays
from telemetry.contract.model import MemberPath

__all__ = ["BulkDecoder", "Decoded"]

SLICE_BYTES = 1 << 18
"""Text decoded at once: the decoder slows down sevenfold once its tape outgrows the cache."""
NO_TEXT = r"^(?:true|false|-?[0-9].*)$"
"""Value in the place of a name in a pair that may not have been a text."""
SPLIT = 8
SMALLEST = 4
"""A slice of this many messages that can't be decoded is not split further."""


class Decoded(NamedTuple):
    """The decoded readings, and the messages left to the careful reader."""

    readings: pl.DataFrame
    """``m`` (message), ``index``, ``fault`` (why it isn't a reading), the plan's raw values."""
    empty: int
    """Messages whose array is empty."""
    set_aside: int
    """Messages of another kind."""
    left: pl.Series
    """Numbers of the messages that were not decoded."""


class BulkDecoder:
    """Decodes messages by one of a plan's decode plans."""

    def __init__(self, plan: ExtractionPlan, decode_plan: DecodePlan) -> None:
        document = self._document = decode_plan.document
        self._plan, self._unusual, self._types = plan, decode_plan.unusual, decode_plan.types
        self._marks: MarkedArrays | MarkedObjects
        if isinstance(document, pl.List):
            self._marks = MarkedArrays(document)
        else:
            self._marks = MarkedObjects(document)

    def decode(self, messages: pl.DataFrame) -> Decoded:
        """Decodes the messages of a frame with the columns ``m`` and ``text`` (no nulls)."""
        texts = messages["text"]
        plain = texts.str.contains(self._marks.begin) & texts.str.contains(self._marks.end)
        plain &= ~texts.str.contains("\\", literal=True)  # apart from the rest, which it slows down
        plain &= ~texts.str.contains(self._unusual)
        tried = messages.filter(plain)
        places, rows = self._rows(tried)
        m = tried["m"].gather(places)
        found = self._marks.documents(rows, m)
        if found is None:
            return Decoded(self._nothing(), 0, 0, messages["m"])
        documents = self._sure(pl.DataFrame([m, found.alias("d")]))
        left = messages["m"].filter(~messages["m"].is_in(documents["m"].implode()))
        wanted = self._of_this_kind(documents)
        readings, empty = self._readings(wanted)
        return Decoded(readings, empty, documents.height - wanted.height, left)

    def _of_this_kind(self, documents: pl.DataFrame) -> pl.DataFrame:
        """Documents that hold readings."""
        for condition in self._plan.conditions("message"):
            if isinstance(self._document, pl.List):  # which has no members
                texts = pl.Series([None], dtype=pl.String).new_from_index(0, documents.height)
            else:
                texts = documents.select(_at("d", condition.source.path)).to_series()
            documents = documents.filter(matches(texts, condition))
        return documents

    def _rows(self, messages: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
        """Places in ``messages`` of those that could be decoded, and what each was decoded to."""
        texts = self._marks.marked(messages)
        decoded, places = [pl.Series(dtype=self._marks.type)], [pl.Series(dtype=pl.UInt32)]
        for at, length in _slices(texts):
            for start, rows in self._attempt(texts.slice(at, length), at):
                decoded.append(rows)
                places.append(pl.int_range(start, start + rows.len(), dtype=pl.UInt32, eager=True))
        return pl.concat(places), pl.concat(decoded).rechunk()

    def _attempt(self, texts: pl.Series, at: int) -> Iterator[tuple[int, pl.Series]]:
        """Decodes a slice whose first row is ``at``, or what can be decoded of its parts."""
        try:
            rows = texts.str.json_decode(self._marks.type)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            rows = None
        if rows is not None and rows.len() == texts.len():
            yield at, rows
        elif texts.len() > SMALLEST:
            size = -(-texts.len() // SPLIT)
            for start in range(0, texts.len(), size):
                yield from self._attempt(texts.slice(start, size), at + start)

    def _sure(self, documents: pl.DataFrame) -> pl.DataFrame:
        """Documents whose values are certain: the decoder makes ``[5]`` of a lone ``5``, and
        ``"true"`` of ``true`` where it expects a text."""
        shape = self._plan.contract.shape
        if shape == "objects":
            return documents
        if shape == "parallel":
            return documents.filter(are_side_by_side(self._arrays()))
        found = documents.select("m", _at("d", self._plan.contract.readings or ()).alias("r"))
        rows = found.explode("r").filter(pl.col("r").is_not_null())
        if shape == "senml":
            odd = odd_records(found)
        elif shape == "rows":
            odd = rows.filter(pl.col("r").list.len() == 1)
        else:
            pairs = rows.filter(pl.col("r").list.len() > 0).explode("r")
            name = pl.col("r").list.first()
            unsure = name.is_null() | name.str.contains(NO_TEXT) | (pl.col("r").list.len() != 2)
            odd = pairs.filter(unsure.fill_null(value=True)).select("m")
            names = pl.col("r").list.eval(pl.element().list.first())
            repeated = rows.filter(names.list.n_unique() < pl.col("r").list.len())
            odd = pl.concat([odd, repeated.select("m")])
        if not odd.height:
            return documents
        return documents.filter(~pl.col("m").is_in(odd["m"].unique().implode()))

    def _readings(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """One row per reading, and the number of messages without one."""
        path = self._plan.contract.readings
        if path is None:
            return self._melted(self._whole(frame)), 0
        if self._plan.contract.shape == "parallel":
            return self._side_by_side(frame)
        if self._plan.contract.parents is not None:
            return self._of_parents(frame, self._plan.contract.parents, path)
        frame = frame.with_columns(_at("d", path).alias("r"))
        alone = pl.col("r").is_null()
        size = pl.col("r").list.len()
        lists = frame.filter(~alone)
        filled = lists.filter(size > 0)
        outer = self._outer("d")
        elements = filled.select(
            "m", "r", pl.int_ranges(0, size, dtype=pl.Int64).alias("index"), *outer
        ).explode("r", "index")
        if self._plan.contract.shape == "senml":
            elements = resolved_records(elements, base_sources(self._plan.contract))
            filled = elements.select("m").unique()
        readings = elements.select(
            "m",
            "index",
            self._fault().alias("fault"),
            *(e.meta.output_name() for e in outer),
            *self._inner("r"),
        )
        if lists.height < frame.height:
            readings = pl.concat([self._whole(frame.filter(alone)), readings], how="diagonal")
        return self._melted(readings), lists.height - filled.height

    def _arrays(self) -> dict[str, pl.Expr]:
        """The arrays side by side of a message, by name."""
        at = self._plan.contract.readings or ()
        names = sorted(map(str, names_of_arrays(self._plan.contract)))
        return {name: _at("d", (*at, name)) for name in names}

    def _side_by_side(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """The same of messages with arrays side by side, all of one length."""
        outer = self._outer("d")
        elements, empty = readings_side_by_side(frame, self._arrays(), outer)
        readings = elements.select(
            "m",
            "index",
            pl.lit(None, dtype=pl.String).alias("fault"),
            *(e.meta.output_name() for e in outer),
            *self._inner("r", shape="objects"),
        )
        return self._melted(readings), empty

    def _of_parents(
        self, frame: pl.DataFrame, parents: MemberPath, path: MemberPath
    ) -> tuple[pl.DataFrame, int]:
        """The same of messages with arrays on two levels."""
        frame = frame.with_columns(_at("d", parents).alias("p"))
        lists = frame.filter(pl.col("p").is_not_null())
        outer = self._outer("d")
        names = ("m", *(e.meta.output_name() for e in outer))
        filled = lists.filter(pl.col("p").list.len() > 0)
        around = filled.select("m", "p", *outer).explode("p").with_row_index("at")
        around = around.with_columns(_at("p", path).alias("r"))
        own = [_at("p", p).alias(name) for name, p in self._plan.of_scope("parent").items()]
        fault = pl.when(pl.col("p").is_null()).then(pl.lit("not_an_object"))
        alone = around.filter(pl.col("r").is_null()).select(
            *("at", *names), fault.alias("fault"), *own, *self._inner("p", shape="objects")
        )
        elements = around.filter(pl.col("r").list.len() > 0).explode("r")
        nested = elements.select(
            *("at", *names), self._fault().alias("fault"), *own, *self._inner("r")
        )
        both = pl.concat([alone, nested]).sort("at", maintain_order=True).drop("at")
        index = pl.int_range(pl.len(), dtype=pl.Int64).over("m")
        readings = both.with_columns(index.alias("index"))
        empty = lists.height - readings["m"].n_unique()
        if lists.height < frame.height:
            whole = self._whole(frame.filter(pl.col("p").is_null()))
            readings = pl.concat([whole, readings], how="diagonal")
        return self._melted(readings), empty

    def _whole(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Messages that are one reading each."""
        return frame.select(
            "m",
            pl.lit(None, dtype=pl.Int64).alias("index"),
            pl.lit(None, dtype=pl.String).alias("fault"),
            *self._outer("d"),
            *self._nothing_of("parent"),
            *self._inner("d", shape="objects"),
        )

    def _outer(self, column: str) -> list[pl.Expr]:
        """Values of the message's own members; an array has none."""
        asked = self._plan.of_scope("message").items()
        if isinstance(self._document, pl.List):
            return self._nothing_of("message")
        return [_at(column, path).alias(name) for name, path in asked]

    def _nothing_of(self, scope: str) -> list[pl.Expr]:
        """Values of the members of an object that isn't there."""
        asked = self._plan.of_scope(scope).items()
        types = [(name, self._types.get(member_name(path), pl.String)) for name, path in asked]
        return [pl.lit(None, dtype=kind).alias(name) for name, kind in types]

    def _inner(self, column: str, shape: str | None = None) -> list[pl.Expr]:
        """Raw texts of a reading's members, and of its metrics."""
        contract = self._plan.contract
        asked = self._plan.of_scope("reading")
        asked |= {_metric(n): metric.path for n, metric in enumerate(metrics_of(contract))}
        take = {"rows": self._in_row, "pairs": _in_pairs}.get(shape or contract.shape, _at)
        return [take(column, path).alias(name) for name, path in asked.items()]

    def _in_row(self, column: str, path: MemberPath) -> pl.Expr:
        fields = self._plan.contract.fields
        if path[0] not in fields:
            return pl.lit(None, dtype=pl.String)
        return pl.col(column).list.get(fields.index(path[0]), null_on_oob=True)

    def _fault(self) -> pl.Expr:
        contract, r = self._plan.contract, pl.col("r")
        if contract.shape in ("objects", "senml"):
            return pl.when(r.is_null()).then(pl.lit("not_an_object"))
        if contract.shape == "pairs":
            return pl.when(r.is_null()).then(pl.lit("not_pairs"))
        many = pl.when(r.list.len() > len(contract.fields)).then(pl.lit("too_many_fields"))
        return pl.when(r.is_null()).then(pl.lit("not_an_array")).otherwise(many)

    def _melted(self, readings: pl.DataFrame) -> pl.DataFrame:
        """A reading per metric that is there, in the order of the contract."""
        metrics = metrics_of(self._plan.contract)
        if not metrics:
            return readings
        names = [_metric(n) for n in range(len(metrics))]
        places = {str(path[0]): name for name, path in self._plan.of_scope("place").items()}
        rest = readings.drop(names)
        rest = rest.with_columns(pl.lit(None, dtype=pl.String).alias(n) for n in places.values())
        sound = pl.col("fault").is_null()
        none = pl.all_horizontal(pl.col(name).is_null() for name in names)
        at = readings.with_row_index("at")
        parts = [at.filter(~sound | none).with_columns(pl.col("fault").fill_null("no_metric"))]
        for name, metric in zip(names, metrics, strict=True):
            sources = {"metric": pl.lit(metric.name), "value": pl.col(name)}
            parts.append(
                at.filter(sound & pl.col(name).is_not_null()).with_columns(
                    sources[path].alias(place) for path, place in places.items()
                )
            )
        long = pl.concat(parts, how="diagonal").sort("at", maintain_order=True)
        return rest.clear().vstack(long.select(rest.columns))

    def _nothing(self) -> pl.DataFrame:
        return pl.DataFrame(
            schema={"m": pl.UInt32, "index": pl.Int64, "fault": pl.String}
            | dict.fromkeys(self._plan.names, pl.String)
        )


def _at(column: str, path: MemberPath) -> pl.Expr:
    expression = pl.col(column)
    for step in path:
        if isinstance(step, int):
            expression = expression.list.get(step, null_on_oob=True)
        else:
            expression = expression.struct.field(step)
    return expression


def _in_pairs(column: str, path: MemberPath) -> pl.Expr:
    pair = pl.element().list
    found = pl.element().filter(pair.get(0) == path[0]).list.get(1)
    return pl.col(column).list.eval(found).list.first()


def _metric(number: int) -> str:
    return f"v{number}"


def _slices(texts: pl.Series) -> Iterator[tuple[int, int]]:
    """Start and length of runs of texts of about :data:`SLICE_BYTES` each."""
    at = 0
    for length in (texts.str.len_bytes().cum_sum() // SLICE_BYTES).rle().struct.field("len"):
        yield at, length
        at += length
