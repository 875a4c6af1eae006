"""Finite systems: ensembles of networks with hand-written gradients, trained as the limits are stated."""
