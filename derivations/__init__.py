"""Proofs of the formulas of theorysim: one module per module of equations, one function per claim.

A function's docstring states the claim and its source, its body derives it with sympy and raises
`NotProved` at the first step that fails. Nothing here imports theorysim, so that no formula proves itself.
"""
