"""The message contract as files, made from the message classes: JSON Schemas, AsyncAPI, and a page."""
