"""The folder that remembers: artifacts, their keys, the steps that made them, and one lock."""
