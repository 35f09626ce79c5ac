"""Connections of slow, silent and flooding clients, on real sockets."""
