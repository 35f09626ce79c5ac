"""Tools for development and for trying the service; the service does not need them."""
