"""What to ask an analyser and how to read its answers: register maps and drivers. Pure."""
