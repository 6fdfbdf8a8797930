"""What else could make a correlation: other properties of prompts, learning, single points."""
