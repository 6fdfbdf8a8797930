"""Models: loading, text to tokens, adapters, pretraining. The lowest storey of the engine wing."""
