"""Answers of the API: documents, problems, and the catalogue of problems."""
