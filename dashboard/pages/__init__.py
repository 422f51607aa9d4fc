"""The pages, one module for each concern: its addresses, and what its templates get."""
