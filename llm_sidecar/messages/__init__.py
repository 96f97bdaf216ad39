"""The wire's vocabulary: values only; nothing here acts. `catalogue` is the list of all that can be said."""
