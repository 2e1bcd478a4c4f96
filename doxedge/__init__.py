"""Emission metering and settlement: from the analyser on a stack to a ledger that a regulator can check."""
