"""Which number known before the update predicts an outcome best."""
