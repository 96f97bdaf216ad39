"""What streams are made of: events, lines, JSON objects, pieces of text. Nothing here knows a vendor."""
