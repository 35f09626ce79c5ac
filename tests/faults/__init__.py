"""Break parts of the service, the machine and the clients, many times, and count what was lost: nothing may be."""
