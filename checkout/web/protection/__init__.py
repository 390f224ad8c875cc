"""Defences of the web application against strangers."""
