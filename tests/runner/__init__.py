"""The runner as an ordinary process of this machine: no jail around it, and it is not pid 1."""
