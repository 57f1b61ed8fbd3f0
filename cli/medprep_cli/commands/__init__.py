"""One file per command: its options, and the stage that they make."""
