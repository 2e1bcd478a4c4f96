"""The rules of a channel, written to be read as a regulation. Pure."""
