"""What is measured before training for the advice after it: what more photos would give."""
