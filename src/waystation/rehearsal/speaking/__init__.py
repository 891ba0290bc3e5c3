"""Saying an answer as each provider would: a whole body, or a stream of events."""
