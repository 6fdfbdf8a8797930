"""What a paper takes along: figures, tables, captions and bundles of runs.

`numbers` asks `sapo_analysis.analysis` each question once; `figures` says which figures a kind of
study has and makes them.
"""
