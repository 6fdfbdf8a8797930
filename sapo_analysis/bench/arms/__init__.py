"""The arms: the same job done by `Trainer` and peft, by the plain loop, and by our engine."""
