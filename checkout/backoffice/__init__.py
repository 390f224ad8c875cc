"""The back office: pages for staff in Django's admin."""
