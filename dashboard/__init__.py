"""The control room: a local web page for the pipeline's health and the fleet."""
