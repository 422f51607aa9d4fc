"""What a person might use instead: each does the whole of the same work, as well as it can."""
