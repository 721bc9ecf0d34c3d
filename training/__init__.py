"""Stepwise training of the pCR model: global image patterns, attention held to the tumour, clinical variables."""
