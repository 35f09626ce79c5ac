"""Failures of the service, the machine and the clients, brought about many times; none may lose anything."""
