"""Puts opaque transactions into an agreed order; knows no rule. Pure."""
