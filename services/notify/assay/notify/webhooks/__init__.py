"""Webhooks: events posted to addresses that owners register, signed, tried again for a day, and logged."""
