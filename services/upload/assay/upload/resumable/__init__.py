"""Uploads that go on where they stopped: tus 1.0.0, and parts that clients send straight to S3.

What is known of an upload is in PostgreSQL, its bytes are in S3; a process keeps nothing that another one needs.
"""
