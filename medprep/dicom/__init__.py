"""DICOM files to volumes: reading, decoding, sorting by position."""
