"""What the pages show, asked of the pipeline: plain functions from a pipeline to dataclasses."""
