"""``manage.py gateway doctor``: looks at everything that a gateway needs, and tells what to do."""
