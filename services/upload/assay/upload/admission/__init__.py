"""Whether work is taken in: quotas and rates of owners, and how old the queue is."""
