"""An installation knows where its database lies; one that finds itself copied elsewhere sends nothing until somebody says go (C-34)."""
