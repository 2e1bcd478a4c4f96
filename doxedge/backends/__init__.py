"""The ledger as the gateway sees it: submit, follow, prove."""
