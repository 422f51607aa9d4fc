"""Formats of payloads other than JSON: bytes become the JSON text of a message, one at a time.

What follows (shapes, columns, rejects) knows JSON alone. A payload that is a list of lines becomes
an array, one element a line, and stays one message. A line that can't be read stands in the array
as a text, which is not a reading; ``faults`` has the reason. A payload that can't be decoded at all
is one reject, ``format:<name>``, and costs no other message anything.
"""
