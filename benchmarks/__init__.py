"""What the sidecar costs, beside the least a Python process can do and what a user would pick instead."""
