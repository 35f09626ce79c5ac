"""What clients do to connections, on real sockets."""
