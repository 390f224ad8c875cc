"""The version of the gateway, written here only: the package, its programs and the API's answers have it."""

VERSION = "0.1.0"
