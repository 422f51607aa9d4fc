"""Pages of the documentation that are made from the code: ``python -m workflow.reference``."""
