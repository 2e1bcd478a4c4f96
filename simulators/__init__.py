"""A plant on one machine: analysers, plant models and a broker for tests and the demo."""
