"""One file per stage: a frozen dataclass of its options, and how it works a case."""
