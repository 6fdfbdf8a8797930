"""Carrying out a plan: groups of work to records."""
