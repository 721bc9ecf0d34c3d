"""Timings of the program beside the floor that no program of its kind can go below."""
