"""From a decoded sample to a judged hour of emission mass. Pure."""
