"""The node's HTTP interface and its pages."""
