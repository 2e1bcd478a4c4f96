"""Executes an agreed order: state, receipts, roots. Pure."""
