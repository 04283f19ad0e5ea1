"""Training: recipes, runs and the loop."""
