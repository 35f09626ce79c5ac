"""What a program finds in its sandbox besides its language: packages, programs, fonts. Each is used."""
