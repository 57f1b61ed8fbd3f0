"""The report: records in, one self-contained HTML file out, with its figures."""
