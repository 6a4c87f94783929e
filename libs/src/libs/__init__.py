"""What every stage shares: contracts, object layout, object storage, manifests, reports, the command line."""
