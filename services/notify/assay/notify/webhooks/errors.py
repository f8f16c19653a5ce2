"""Errors of webhooks, with their codes."""

from assay.shared.problems import Problem


class UnknownWebhookError(Problem):
    code, status, title = "webhook_not_found", 404, "There is no such webhook, or it is not yours"

    def __init__(self) -> None:
        super().__init__("There is no such webhook, or it is not yours. GET /api/v1/webhooks lists yours.")


class UnknownDeliveryError(Problem):
    code, status, title = "delivery_not_found", 404, "There is no such delivery, or it is not yours"

    def __init__(self) -> None:
        super().__init__(
            "There is no such delivery of this webhook. The log is kept for a time, and for as long as the file is."
        )


class WebhookAddressError(Problem):
    code, status, title = "webhook_address_refused", 422, "Webhooks cannot lead to this address"


class WebhookSecretError(Problem):
    code, status, title = "webhook_secret_refused", 422, "This cannot be a webhook's secret"

    def __init__(self) -> None:
        super().__init__("A secret is `whsec_` and 24 to 64 bytes in base64. Leave it out, and one is made for you.")


class TooManyWebhooksError(Problem):
    code, status, title = "too_many_webhooks", 409, "This owner has as many webhooks as one may have"


class WebhookDisabledError(Problem):
    code, status, title = "webhook_disabled", 409, "The webhook is disabled"

    def __init__(self) -> None:
        super().__init__('Nothing is sent to a disabled webhook. PATCH it with {"enabled": true} first.')


class BadDeliveryCursorError(Problem):
    code, status, title = "bad_delivery_cursor", 422, "The cursor is none that this log gave"

    def __init__(self) -> None:
        super().__init__("Send `cursor` as `next_cursor` of the page before gave it, or leave it out.")
