"""The payments and records that wait for a person, and the reasons."""
