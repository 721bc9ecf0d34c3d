"""What a site runs around the application: the PACS trigger, the container's manifests, cluster manifests."""
