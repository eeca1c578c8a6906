"""The small package that the notebooks import: one module per noun (see README.md)."""
