"""The exchange on a line: one question, one answer that is bound to it."""
