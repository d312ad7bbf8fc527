"""The account, its tax ids, files, ephemeral keys, confirmation tokens."""

from __future__ import annotations

from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.systems.payment.errors import ApiError
from backendhub.systems.payment.service import others
from backendhub.systems.payment.wire.operations import answered, calling, listing, operation, retrieving, v1
from backendhub.systems.payment.wire.parameters import parameters

from . import tables

operation("GET", "/v1/account", others.account)

TXI = "/v1/tax_ids"
OWNER = "owner hash\n  account str\n  customer str\n  type! enum account application customer self\n"
operation("POST", TXI, others.add_tax_id, parameters(OWNER + "type! str\nvalue! str 100"))
listing("tax_id", TXI, OWNER)
retrieving("tax_id", TXI + "/{id}")
operation("DELETE", TXI + "/{id}", others.delete_tax_id)

EPH = "/v1/ephemeral_keys"
operation(
    "POST",
    EPH,
    others.add_key,
    parameters("customer str\nissuing_card str\nnonce str\nverification_session str"),
)
operation("DELETE", EPH + "/{id}", others.delete_key)

operation(
    "POST",
    "/v1/test_helpers/confirmation_tokens",
    others.add_confirmation_token,
    parameters(
        "payment_method str\n"
        + tables.nested("payment_method_data", tables.METHOD_DATA)
        + "payment_method_options map\nreturn_url str\nsetup_future_usage enum off_session on_session\n"
        + tables.nested("shipping", tables.SHIPPING)
    ),
)
retrieving("confirmation_token", "/v1/confirmation_tokens/{id}")

listing("file", "/v1/files", f"purpose enum {' '.join(others.PURPOSES)}")
retrieving("file", "/v1/files/{id}")


@v1.post("/files", consumes=("multipart/form-data",), statuses=(400,))
def post_files(db: Db, request: web.Request) -> Any:
    """Upload a file: `purpose` and `file` of a multipart form."""
    form = request.form
    upload = form.file("file") if form is not None else None
    purpose = form.get("purpose") if form is not None else None
    for name, value in (("file", upload), ("purpose", purpose)):
        if value is None:
            raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    assert upload is not None and purpose is not None
    with calling(request):
        made = others.add_file(db, purpose=purpose, filename=upload.filename, content=upload.read())
    return answered(request, made)


@v1.get("/files/{id}/contents", media_type="application/octet-stream", statuses=(404,))
def get_file_contents(db: Db, request: web.Request, id: str) -> web.Reply:
    """Download a file."""
    return web.Reply(others.contents(db, id), media_type="application/octet-stream")
