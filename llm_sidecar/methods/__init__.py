"""The `llm:*` methods: from the wire's params to the services, and back. No decision is made here."""
