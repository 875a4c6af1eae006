"""Compilation, loops over indices, random numbers, elementary functions and linear algebra."""
