"""Run programs in Daytona's sandboxes, one round trip for a run.

Read in this order: ``engine`` (sandboxes come and go), ``sandbox`` (what is done in one), ``pipe`` (one exec, one
frame), ``faults`` (what an error of Daytona's means), then ``spares``, ``account``, ``archive``, ``snapshot``.
"""
