"""Training: the same losses for any number of processes, and the same bytes however often it is interrupted."""
