"""Somebody with the scope `operator`."""

from support.uploads import Owner

from assay.shared.auth import mint_token


class Operator(Owner):
    """Asks for anybody."""

    def __init__(self, url: str, environment: dict[str, str]) -> None:
        super().__init__(url, environment)
        self.token = mint_token(environment["ASSAY_AUTH__SECRET"], self.owner_id, ["user", "operator"])
        self.headers = {"Authorization": f"Bearer {self.token}"}
