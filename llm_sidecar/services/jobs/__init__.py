"""Work that outlives the process."""
