"""What providers say when they do not answer: read, classified, and when to try again."""
