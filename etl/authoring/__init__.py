"""Write contracts: infer a first one from messages, check one against messages, compare two."""
