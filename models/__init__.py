"""The checkpoints that ship with spivae; see README.md in this folder."""
