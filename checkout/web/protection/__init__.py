"""Defences of the web application against abuse by strangers."""
