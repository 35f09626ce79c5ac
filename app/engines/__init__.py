"""Give sandboxes."""
