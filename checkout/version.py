"""The version of the gateway. The package, its programs and the API's answers take it from here."""

VERSION = "0.1.0"
