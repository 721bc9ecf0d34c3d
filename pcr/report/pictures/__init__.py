"""What a radiologist looks at: the summary, the overlays, and the page of a study without a result."""
