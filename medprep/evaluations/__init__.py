"""Two folders or files beside each other: pairs, on one grid, with names; and what they score."""
