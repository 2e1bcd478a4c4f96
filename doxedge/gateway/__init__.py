"""The acquisition daemon: poll, assess, sign, keep, post."""
