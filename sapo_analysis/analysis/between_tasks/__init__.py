"""Whether a prompt that is good for one other task is good for the others (claim 2)."""
