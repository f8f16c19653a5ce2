"""What main builds of resumable uploads, in one piece."""

from dataclasses import dataclass

from fastapi import APIRouter

from assay.shared.auth import Authenticator
from assay.shared.database import Transaction
from assay.shared.media_types import MediaTypes
from assay.shared.objects import ObjectStore
from assay.upload.admission.service import Admission
from assay.upload.announcing import Announcer
from assay.upload.catalog import Catalog
from assay.upload.first_look import FirstLook
from assay.upload.memory import Memory
from assay.upload.resumable import presign_routes, tus_routes
from assay.upload.resumable.body import Draining
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.gate import Gate
from assay.upload.resumable.leases import Leases
from assay.upload.resumable.outcomes import Outcomes
from assay.upload.resumable.owners import OwnersUploads
from assay.upload.resumable.presigning import PresignedUploads
from assay.upload.resumable.service import ResumableUploads
from assay.upload.resumable.sweeping import UploadSweeper
from assay.upload.settings import Settings


@dataclass(frozen=True, slots=True)
class Resumable:
    """The routes, and what runs behind them."""

    routers: tuple[APIRouter, ...]
    sweeper: UploadSweeper
    owners: OwnersUploads


def build(
    *,
    transaction: Transaction,
    store: ObjectStore,
    catalog: Catalog,
    announcer: Announcer,
    first_look: FirstLook,
    media_types: MediaTypes,
    draining: Draining,
    admission: Admission,
    memory: Memory,
    authenticator: Authenticator,
    settings: Settings,
) -> Resumable:
    """Everything wired; nothing is connected before the sweeper starts."""
    times = settings.uploads
    finisher = Finisher(
        transaction=transaction, store=store, announcer=announcer, media_types=media_types, keep=times.expire_after
    )
    leases = Leases(transaction=transaction, lease=times.lease, wait=times.lock_wait)
    outcomes = Outcomes(transaction=transaction)
    gate = Gate(transaction=transaction, admission=admission, max_file_bytes=settings.limits.max_file_bytes)
    tus = ResumableUploads(
        transaction=transaction,
        store=store,
        catalog=catalog,
        first_look=first_look,
        gate=gate,
        finisher=finisher,
        leases=leases,
        outcomes=outcomes,
        memory=memory,
        limits=settings.limits,
        keep=times.expire_after,
    )
    presigned = PresignedUploads(
        transaction=transaction,
        store=store,
        gate=gate,
        finisher=finisher,
        leases=leases,
        outcomes=outcomes,
        keep=times.expire_after,
    )
    return Resumable(
        routers=(
            tus_routes.build_router(
                uploads=tus,
                presigned=presigned,
                draining=draining,
                authenticator=authenticator,
                limits=settings.limits,
                public_url=settings.public_url,
            ),
            presign_routes.build_router(
                uploads=presigned,
                catalog=catalog,
                authenticator=authenticator,
                limits=settings.limits,
                public_url=settings.public_url,
            ),
        ),
        sweeper=UploadSweeper(transaction=transaction, finisher=finisher, leases=leases, every=times.lease),
        owners=OwnersUploads(transaction=transaction, finisher=finisher, leases=leases),
    )
