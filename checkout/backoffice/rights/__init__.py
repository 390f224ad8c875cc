"""The rights of staff: their roles, and the merchants whose data they see."""
