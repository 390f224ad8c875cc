"""A scripted shopper: a program that makes purchases through the pages, as a browser would.

It sends HTTP requests to the gateway and the provider, and shares no code with either. Its report can include
records of the same purchase from the gateway's own tables.
"""
