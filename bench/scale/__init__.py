"""Scale on paper: what a run costs each part, measured; what that means for many users, calculated and simulated."""
