"""`python -m tests.bench [NAME…]`: run the named benchmarks, or all."""

import sys
from importlib import import_module

NAMES = (
    "memory", "latency", "smtp_intake", "parsed", "http_list", "pages", "search_plan", "search_http", "live_pages", "audit_export",
    "outbound", "rest_to_sink", "letter", "campaign", "campaign_first", "opens", "contacts_list", "contact_import",
)

for name in sys.argv[1:] or NAMES:
    if name not in NAMES:
        sys.exit(f"There is no benchmark {name}; choose from {', '.join(NAMES)}.")
    import_module(f"tests.bench.{name}").main()
