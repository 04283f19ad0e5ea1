"""The WaveNet-VAE. `arguments` alone is free of torch; the rest is imported where it computes."""
