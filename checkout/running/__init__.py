"""The programs without HTTP: services and relay, alone or beside the web application."""
