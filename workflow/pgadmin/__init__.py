"""What pgAdmin is told of a pipeline: servers to register and queries to keep. Pure."""
