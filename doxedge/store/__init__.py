"""What must survive a power cut: SQLite files, written before anything is acknowledged."""
