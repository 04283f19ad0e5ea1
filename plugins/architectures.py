"""The architectures that come with spivae: the original's WaveNet-VAE, and one that learns a scale."""

from spivae.api import SCALED_WAVENET_VAE, WAVENET_VAE, hookimpl


@hookimpl
def register_architectures(register):
    register(WAVENET_VAE)
    register(SCALED_WAVENET_VAE)
