"""A small MQTT broker that can also be told to misbehave: for tests, and for the demo where no other is installed."""
