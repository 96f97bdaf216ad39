"""The one HTTP client of all adapters: connections, where they may lead, and what can go wrong with them."""
