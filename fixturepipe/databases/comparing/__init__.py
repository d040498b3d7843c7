"""What verify is made of: two tables side by side, and the soundness of the target."""
