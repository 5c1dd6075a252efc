"""What was measured: recorded runs, rows of tables, and what is learnt from them."""
