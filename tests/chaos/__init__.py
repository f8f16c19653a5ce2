"""`make chaos`: processes are killed while people upload, and afterwards everything is counted."""
