"""Transactions and blocks between the members of a channel, over an MQTT broker nobody trusts."""
