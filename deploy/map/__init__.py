"""The container image: a MONAI Application Package (MAP) whose manifests, labels and locks are generated."""
