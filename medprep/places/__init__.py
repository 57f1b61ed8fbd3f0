"""Where data may lie: a folder, or behind a URL, or in an archive that is never unpacked to disk.

`path_of` turns what a user wrote into a path. Local text gives a `pathlib.Path` and loads nothing;
a URL (``s3://``, ``gs://``, ``https://``, ``memory://``) or the inside of an archive gives a
`FarPath` with the same face, as far as reading needs it.
"""
