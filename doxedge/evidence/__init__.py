"""One file that proves one record, and how to check it without a node. Pure."""
