"""What survives the process, in one SQLite file: the only SQL of the program. No plaintext key ever comes here."""
