"""What a bucket is asked for at a start: to be there, to encrypt what it keeps, to clear unfinished things away."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

log = structlog.get_logger(__name__)

TEMPORARY = "tmp/"
"""Keys that begin so are thrown away after a day; nothing is kept there for longer than one use."""
UNFINISHED_DAYS = 7
TEMPORARY_DAYS = 1
# The second net: the upload service clears these away itself, long before.
RULES: tuple[dict[str, Any], ...] = (
    {
        "ID": "assay-unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS},
    },
    {
        "ID": "assay-temporary",
        "Status": "Enabled",
        "Filter": {"Prefix": TEMPORARY},
        "Expiration": {"Days": TEMPORARY_DAYS},
    },
)


class EncryptionRefusedError(RuntimeError):
    """The store does not encrypt objects as the settings ask it to."""


def make(client: "S3Client", bucket: str) -> None:
    """Make the bucket where it is missing. Safe when several services start at once."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        try:
            client.create_bucket(Bucket=bucket)
        except ClientError as race:
            if race.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise


def is_versioned(client: "S3Client", bucket: str) -> bool:
    """True where the bucket keeps older versions, so that a deleted object is still there."""
    try:
        return "Status" in client.get_bucket_versioning(Bucket=bucket)
    except ClientError as error:
        log.info("bucket_versioning_unknown", bucket=bucket, reason=str(error))
        return False


def check_encryption(client: "S3Client", bucket: str, encryption: str) -> None:
    """Store a few bytes and see whether the store says that it encrypts them. Raises EncryptionRefusedError."""
    key = f"{TEMPORARY}{uuid4()}"
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"assay", ServerSideEncryption=encryption)  # type: ignore[arg-type]
        said = client.head_object(Bucket=bucket, Key=key).get("ServerSideEncryption")
        reason = "" if said == encryption else "it takes the header, but does not say that the object is encrypted"
    except ClientError as error:
        reason = str(error)
    finally:
        client.delete_object(Bucket=bucket, Key=key)
    if reason:
        line = (
            f"ASSAY_S3__ENCRYPTION={encryption}: the object store does not encrypt objects so ({reason}). "
            "Configure its keys, or leave the setting out."
        )
        log.error("storage_does_not_encrypt", detail=line)
        raise EncryptionRefusedError(line)


def keep_tidy(client: "S3Client", bucket: str) -> None:
    """Add our lifecycle rules to those that the bucket has. What a store does not know is told of, and no error."""
    present: list[Any] = []
    try:
        try:
            present = list(client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", []))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
    except (ClientError, BotoCoreError) as error:
        log.warning("bucket_lifecycle_not_set", bucket=bucket, reason=str(error))
        return
    known = {each.get("ID") for each in present}
    # One by one: a store may know the one kind and refuse the other.
    for rule in (each for each in RULES if each["ID"] not in known):
        rules: Any = [*present, rule]
        try:
            client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        except (ClientError, BotoCoreError) as error:
            log.warning("bucket_lifecycle_not_set", bucket=bucket, rule=rule["ID"], reason=str(error))
            continue
        present = rules
        log.info("bucket_lifecycle_set", bucket=bucket, rule=rule["ID"])
