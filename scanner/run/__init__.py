"""Doing it once, anywhere: run directory, tasks, engine, executors."""
