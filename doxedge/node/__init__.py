"""The ledger daemon: order, execute, gossip, serve."""
