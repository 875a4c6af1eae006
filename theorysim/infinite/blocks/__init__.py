"""Kernels of infinitely wide networks made of blocks: convolutions, pools, attention, residual sums.

A network is turned into a `program` of a few instructions; one compiled `machine` carries a pair of samples through it,
all layers at once, in a workspace that fits the cache of a core.
"""
