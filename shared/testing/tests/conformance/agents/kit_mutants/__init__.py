"""Agents broken on purpose, one defect each: what the kit must complain about, and nothing else."""
