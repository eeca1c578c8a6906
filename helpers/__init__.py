"""What the notebooks build and import: a module for each thing, named after it."""
