"""Launchers start worker processes and nothing else."""
