"""What a run gained and lost, as a page to look at and a table to read."""
