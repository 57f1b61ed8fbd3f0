"""What a data set on disk looks like: which files are a case's pictures, which its masks."""
