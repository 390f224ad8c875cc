"""The pages of the tables: one module for each kind of row."""
