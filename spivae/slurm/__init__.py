"""Slurm by its own commands: sbatch, squeue, scontrol, scancel and sacct. Knows nothing of runs."""
