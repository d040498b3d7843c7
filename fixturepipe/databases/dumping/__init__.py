"""What the dump is made of: the source held still, its rows as columns, natural keys proven."""
