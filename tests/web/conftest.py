"""The house of the live tests, and a client in it."""

from api.conftest import client as client
from live.conftest import house as house

from .browsing import browser as browser
from .browsing import chromium as chromium
