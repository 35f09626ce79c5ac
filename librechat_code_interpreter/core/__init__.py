"""The core: runs programs and stores sessions and files, independent of HTTP, Redis, Daytona and jails."""
