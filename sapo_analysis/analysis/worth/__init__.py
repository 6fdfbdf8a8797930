"""What picking prompts by pre-update loss is worth, from trials that are there."""
