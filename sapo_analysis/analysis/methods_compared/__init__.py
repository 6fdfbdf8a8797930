"""Methods beside each other: what each learned, what it kept of other tasks, what was published."""
