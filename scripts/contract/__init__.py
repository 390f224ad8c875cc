"""The message contract as files, made from the typed messages: JSON Schemas, AsyncAPI, a page."""
