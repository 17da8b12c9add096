"""What comes back from campaigns: opens, clicks, unsubscriptions; open to the world, signed."""
