"""Read by Django, see FORMAT_MODULE_PATH."""

DATETIME_FORMAT = "Y-m-d H:i:s T"
