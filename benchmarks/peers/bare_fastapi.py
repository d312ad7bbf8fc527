"""A bare FastAPI route that returns a constant Response."""

import json
import os

from fastapi import FastAPI, Response

app = FastAPI()
BODY = json.dumps(json.loads(os.environ["TASK"])).encode()


@app.get("/tasks/{id}")
async def read(id: int) -> Response:
    return Response(BODY, media_type="application/json")
