"""What the load is made of: the ledger, the target made ready, chunks in bulk, their failures."""
