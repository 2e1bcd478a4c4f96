"""What analysers say on a line, byte by byte: one file per protocol, and the reader that finds frames in a stream."""
