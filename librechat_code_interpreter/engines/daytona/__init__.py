"""Daytona engine: programs run in Daytona sandboxes, one round trip per run.

Reading order: ``engine`` (create, find and destroy sandboxes), ``client`` (calls to the account), ``registry``
(sandboxes of this process), ``sandbox`` (operations in one sandbox), ``runner_exec`` (one exec, one frame), ``errors``
(the meaning of Daytona's errors), then ``warm_pool``, ``orphans``, ``config``, ``archive``, ``snapshot``.
"""
