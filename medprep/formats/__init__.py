"""Files of pictures: NIfTI-1 and PNG."""
