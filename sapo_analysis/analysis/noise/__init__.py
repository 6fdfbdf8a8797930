"""How much of a number is the prompt's and how much the seed's."""
