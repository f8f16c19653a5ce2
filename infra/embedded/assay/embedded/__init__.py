"""The embedded stack: real Kafka, S3, PostgreSQL and gateway as child processes of one supervisor."""
