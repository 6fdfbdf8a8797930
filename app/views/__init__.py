"""The pages; `app/main.py` lists them."""
