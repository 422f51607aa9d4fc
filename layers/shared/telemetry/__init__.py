"""The runtime that every function shares: contract, errors, S3 layout, tracing, entry point."""
