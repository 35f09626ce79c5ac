"""Local engine, with sandboxes on this machine: one bubblewrap, one zygote, a fresh jail for each run."""
