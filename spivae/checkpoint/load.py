"""From a checkpoint to a model that computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spivae.checkpoint.naming import resolve
from spivae.checkpoint.reading import Foreign, read
from spivae.checkpoint.structs import Checkpoint
from spivae.errors import SpivaeError
from spivae.model.architectures import architecture

if TYPE_CHECKING:
    from spivae.model.vae import WaveNetVAE


def load_model(checkpoint: Checkpoint, device: str = "cpu") -> WaveNetVAE:
    """The model of a checkpoint that was read with its weights, in evaluation mode.

    Raises SpivaeError where the architecture is unknown or the weights do not fit it.
    """
    import torch

    arguments = checkpoint.arguments
    if checkpoint.weights is None:
        raise SpivaeError(f"{checkpoint.path}: only its header was read; read it with its weights")
    model = architecture(checkpoint.architecture).build(arguments)
    # copied, because weights may be read-only views of the file
    state = {name: torch.from_numpy(array.copy()) for name, array in checkpoint.weights.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise SpivaeError(
            f"{checkpoint.path}: its weights do not fit its model arguments ({reason})"
        ) from None
    return model.to(device).eval()


def load_checkpoint(
    path: Path | str, device: str = "cpu", foreign: Foreign | None = None
) -> tuple[Checkpoint, WaveNetVAE]:
    """A checkpoint by path or shipped name, and its model on a device.

    `foreign` is asked for files in neither known format. Raises SpivaeError as `read` does.
    """
    checkpoint = read(resolve(str(path)), foreign)
    return checkpoint, load_model(checkpoint, device)
