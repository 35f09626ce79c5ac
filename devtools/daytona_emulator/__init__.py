"""Stand in for Daytona's HTTP API, so that the real SDK can be tried and tested without an account.

Written from the SDK's request and reply models and from measured behaviour; see ``docs/daytona-emulator.md``.
"""
