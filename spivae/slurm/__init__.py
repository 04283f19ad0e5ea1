"""Slurm by its own commands: sbatch, squeue, scontrol and scancel. Knows nothing of runs."""
