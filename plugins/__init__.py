"""The bundled plugins of spivae: one file each, and each an example of the plugin API."""
