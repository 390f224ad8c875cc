"""The description of the API for programs and people: the OpenAPI document, and a page for each problem."""
