"""The HTTP/1.1 server, between uvicorn and the application."""
