"""Charts as SVG, made on the server and coloured by the style sheet, so that they need no script.

A chart has two layers: shapes in a box of 1000 x 100 units that is stretched to the available
width, and texts beside it that keep their size. The values for the pointer and the arrow keys are
JSON in a ``data-`` attribute. All times are UTC, which stands once, at the left of the time axis.
"""
