"""Remove django-otp's own pages from the back office, because they show the secrets of all users."""

from django.contrib import admin
from django_otp.plugins.otp_static import admin as _static  # noqa: F401  they are registered before
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import admin as _totp  # noqa: F401
from django_otp.plugins.otp_totp.models import TOTPDevice

admin.site.unregister((StaticDevice, TOTPDevice))
