"""What is signed, in which bytes, and how it is checked. Pure."""
