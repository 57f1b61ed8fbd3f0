"""DICOM trees without a workspace: what they hold, and their volumes into a folder."""
