"""Run programs, keep sessions and files; know nothing of HTTP, Redis, Daytona or jails."""
