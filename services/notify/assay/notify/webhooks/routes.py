"""HTTP entry points of webhooks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from assay.notify.webhooks import views
from assay.notify.webhooks.domain import DeliveryStatus
from assay.notify.webhooks.schemas import (
    Delivery,
    DeliveryDetails,
    DeliveryList,
    NewSecret,
    NewWebhook,
    Range,
    Replayed,
    Webhook,
    WebhookChange,
    WebhookList,
    WebhookWithSecret,
)
from assay.notify.webhooks.service import WebhookService
from assay.shared.auth import Authenticator, Principal
from assay.shared.problems import answers

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")]
EventType = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only events of this type")]


def build_router(service: WebhookService, authenticator: Authenticator) -> APIRouter:
    """The routes of this package."""
    router = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type

    @router.post("", status_code=201, responses=answers(400, 401, 403, 409, 422, 503), summary="Register a webhook")
    async def register(caller: Caller, wanted: NewWebhook, response: Response) -> WebhookWithSecret:
        """Events that happen from now on are posted there, signed with the secret in this answer.

        docs/webhooks.md tells how a receiver checks the signature, and what is tried how often.
        """
        row, secret = await service.register(caller.owner_id, wanted)
        response.headers["Location"] = f"{router.prefix}/{row['webhook_id']}"
        return views.with_secret(row, secret)

    @router.get("", responses=answers(401, 403, 503), summary="The caller's webhooks")
    async def listed(caller: Caller) -> WebhookList:
        """All of them, the newest first."""
        return WebhookList(items=[views.webhook(row) for row in await service.all_of(caller.owner_id)])

    @router.get("/{webhook_id}", responses=answers(401, 403, 404, 422, 503), summary="One webhook")
    async def shown(caller: Caller, webhook_id: UUID) -> Webhook:
        """Whether it is enabled, and if not, why."""
        return views.webhook(await service.one(caller.owner_id, webhook_id))

    @router.patch("/{webhook_id}", responses=answers(400, 401, 403, 404, 422, 503), summary="Change a webhook")
    async def changed(caller: Caller, webhook_id: UUID, wanted: WebhookChange) -> Webhook:
        """Its address, its events, its description; disable it, and enable it again."""
        return views.webhook(await service.change(caller.owner_id, webhook_id, wanted))

    @router.delete(
        "/{webhook_id}", status_code=204, responses=answers(401, 403, 404, 422, 503), summary="Remove a webhook"
    )
    async def removed(caller: Caller, webhook_id: UUID) -> Response:
        """With its log. Nothing is sent any more but what is on its way."""
        await service.delete(caller.owner_id, webhook_id)
        return Response(status_code=204)

    @router.post(
        "/{webhook_id}/secret", responses=answers(400, 401, 403, 404, 422, 503), summary="Give a webhook another secret"
    )
    async def rotated(caller: Caller, webhook_id: UUID, wanted: NewSecret) -> WebhookWithSecret:
        """For a day both secrets sign, so that a receiver can be changed in peace."""
        row, secret = await service.rotate(caller.owner_id, webhook_id, wanted.secret)
        return views.with_secret(row, secret)

    @router.post(
        "/{webhook_id}/test", status_code=202, responses=answers(401, 403, 404, 409, 422, 503), summary="Send a test"
    )
    async def tested(caller: Caller, webhook_id: UUID) -> Delivery:
        """An event of the type `assay.webhook.test.v1`. What came of it is in the log a moment later."""
        return views.delivery(await service.test(caller.owner_id, webhook_id))

    @router.get("/{webhook_id}/deliveries", responses=answers(401, 403, 404, 422, 503), summary="The delivery log")
    async def deliveries(
        caller: Caller,
        webhook_id: UUID,
        limit: Limit = 50,
        cursor: Cursor = None,
        status: DeliveryStatus | None = None,
        event_type: EventType = None,
    ) -> DeliveryList:
        """The newest first."""
        rows, following = await service.log(
            caller.owner_id, webhook_id, limit=limit, cursor=cursor, status=status, event_type=event_type
        )
        return DeliveryList(items=[views.delivery(row) for row in rows], next_cursor=following)

    @router.get(
        "/{webhook_id}/deliveries/{delivery_id}", responses=answers(401, 403, 404, 422, 503), summary="One delivery"
    )
    async def delivery(caller: Caller, webhook_id: UUID, delivery_id: UUID) -> DeliveryDetails:
        """With its body and its attempts, up to the newest hundred."""
        return views.details(*await service.delivery(caller.owner_id, webhook_id, delivery_id))

    @router.post(
        "/{webhook_id}/deliveries/{delivery_id}/replay",
        status_code=202,
        responses=answers(401, 403, 404, 409, 422, 503),
        summary="Send one delivery again",
    )
    async def replayed(caller: Caller, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """At once, whatever came of it, under the same `webhook-id`; with a new day of attempts."""
        return views.delivery(await service.replay(caller.owner_id, webhook_id, delivery_id))

    @router.post(
        "/{webhook_id}/replay",
        status_code=202,
        responses=answers(400, 401, 403, 404, 409, 422, 503),
        summary="Send the deliveries of a time again",
    )
    async def replayed_range(caller: Caller, webhook_id: UUID, wanted: Range) -> Replayed:
        """Those that failed or were skipped, unless others are asked for; some thousand with each request."""
        return await service.replay_range(caller.owner_id, webhook_id, wanted)

    return router
