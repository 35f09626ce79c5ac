"""All installed packages are locked, listed and licensed."""
