"""Geometric Brownian motion and more, for spivae."""
