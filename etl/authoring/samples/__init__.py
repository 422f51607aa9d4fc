"""Messages in files, however these were made: NDJSON, JSON, CSV, recordings; plain or compressed.

::

    files       opens, inflates, refuses what has no messages in it
    documents   splits a file into messages
    recordings  takes the payload out of what a recorder wrote around it
    reservoir   keeps a bounded sample of all of them
"""

from etl.authoring.samples.files import STDIN
from etl.authoring.samples.message import Message, SampleError
from etl.authoring.samples.reservoir import RUN, Sample, read_messages, read_sample, sample_of

__all__ = [
    "RUN",
    "STDIN",
    "Message",
    "Sample",
    "SampleError",
    "read_messages",
    "read_sample",
    "sample_of",
]
