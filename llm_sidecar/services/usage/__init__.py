"""What inferences used, and what they may cost."""
