"""Scoring, training and evaluation: pure functions of (model, data, prompt)."""
