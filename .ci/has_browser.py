"""Exit 0 if Playwright has a Chromium of its own on this machine, else 1. Called by .ci/bootstrap-tests."""

import os
import sys

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not os.access(playwright.chromium.executable_path, os.X_OK))
