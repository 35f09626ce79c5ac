"""Code that runs inside the outer jail, under the sandbox runtime's Python; standard library only."""
