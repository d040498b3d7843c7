"""What `check` looks for: values, references, duplicates, the schema, the server."""
