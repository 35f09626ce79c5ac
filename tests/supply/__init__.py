"""What is installed: all of it locked, listed and licensed."""
