"""The Hugging Face hub: asked only where somebody asked for it, answered or refused in seconds."""
