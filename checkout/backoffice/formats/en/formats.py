"""The formats of dates and times in the back office, for Django's setting FORMAT_MODULE_PATH."""

DATETIME_FORMAT = "Y-m-d H:i:s T"
