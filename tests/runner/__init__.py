"""The runner as an ordinary process of this machine: no jail around it, and not pid 1."""
