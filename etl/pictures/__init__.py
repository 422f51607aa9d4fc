"""Pictures of the workflow as SVG: the state machine, an execution over it, its trace.

No network, no external program, no script: a picture is a file that any browser shows.
"""
