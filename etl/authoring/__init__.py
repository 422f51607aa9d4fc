"""Contract authoring: infer a contract from messages, check it, compare two of them."""
