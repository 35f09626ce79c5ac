"""Run one program inside a sandbox and report how it went.

Standard library only, so that the same code runs in the local engine's jails and in a Daytona sandbox. Read in this
order: ``messages`` (what is asked and answered), ``run`` (the whole run), then its steps: ``workspace`` (what
changed), ``spawn`` (how a program starts), ``watch`` (streams, limits, the end), ``reap`` (what is left is killed).
"""
