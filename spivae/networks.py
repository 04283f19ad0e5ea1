"""What the module that an `Architecture` names imports; a change here is told as one of `spivae.api`.

torch comes with it: a plugin's own module, which every command may load, imports `spivae.api` alone.
"""

from spivae.model.vae import Autoencoder, Output, WaveNetVAE, built, dense, drawn

__all__ = ["Autoencoder", "Output", "WaveNetVAE", "built", "dense", "drawn"]
