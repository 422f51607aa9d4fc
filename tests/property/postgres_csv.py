"""CSV as PostgreSQL's COPY reads it: an unquoted empty field is NULL, a quoted one is empty."""

from __future__ import annotations


def parse(body: bytes) -> list[list[str | None]]:
    """Rows of fields. Raises where a quote is not closed."""
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    field, was_quoted, quoted = "", False, False
    text = body.decode()
    at = 0
    while at < len(text):
        character = text[at]
        if quoted:
            if character == '"' and text[at + 1 : at + 2] == '"':
                field += '"'
                at += 1
            elif character == '"':
                quoted = False
            else:
                field += character
        elif character == '"':
            quoted = was_quoted = True
        elif character in ",\n":
            ends_copy = character == "\n" and not row and field == "\\." and not was_quoted
            assert not ends_copy, "an unquoted line of only \\."
            row.append(field if field or was_quoted else None)
            field, was_quoted = "", False
            if character == "\n":
                rows.append(row)
                row = []
        else:
            assert character != "\r", "an unquoted carriage return"
            field += character
        at += 1
    assert not quoted
    assert not row
    assert not field
    return rows
