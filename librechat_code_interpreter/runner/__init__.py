"""Runner: runs one program inside a sandbox and reports the result.

It uses the standard library only, so the same code runs in the local engine's jails and in a Daytona sandbox. Read in
this order:

- ``messages``: the request and the reply
- ``run``: all steps of a run
- ``workspace_diff``: which files changed
- ``spawn``: how a program starts
- ``supervise``: streams, limits, the end of a program
- ``kill``: how remaining processes are killed
"""
