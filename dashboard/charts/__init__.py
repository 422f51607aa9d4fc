"""Charts as SVG that the page's style sheet colours: made here, so that they need no script.

A chart is two layers: shapes in a box of 1000 x 100 units that is stretched to whatever width there
is, and texts beside it that keep their size. What a pointer or the arrow keys read from it lies in
a ``data-`` attribute as JSON.
"""
