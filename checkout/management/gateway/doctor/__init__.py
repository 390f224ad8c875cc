"""``manage.py gateway doctor``: examines everything that a gateway needs, and says how to mend it."""
