"""Retrospective scoring: many studies, each in a process of its own, spread over workers, resumable at any moment."""
