"""The coverage board: which trade date of which dataset and symbol stands where, and why."""
