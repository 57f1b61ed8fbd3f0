"""Labels: out of grey levels, and clean."""
