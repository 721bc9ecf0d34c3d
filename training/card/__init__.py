"""The model card: every figure in it, and every sentence that hangs on one, comes from the files of the run."""

from training.card.make import make_card

__all__ = ["make_card"]
