"""Tools for whoever develops or tries the service; nothing in ``app`` needs them."""
