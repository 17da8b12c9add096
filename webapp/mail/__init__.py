"""The craft of mail: addresses, MIME, SMTP in and out, DKIM. Bytes and dataclasses only; no Flask, no database."""
