"""The version, for those who may not spend time on asking the package's metadata."""

VERSION = "0.1.0"
