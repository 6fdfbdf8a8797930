"""The engine against transformers' `Trainer` with peft and a plain loop: `sapo bench`."""
