"""Amounts on the ledger behind one port: open numbers now, hidden ones later. Pure."""
